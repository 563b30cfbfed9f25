// The thread of `ExceptionWatch`: debugs the main thread and records its exceptions.
import { type Debugger, Session } from 'node:inspector'
import { type MessagePort, parentPort } from 'node:worker_threads'
import type { Thrown } from './exception-watch.ts'

const root = new URL('../../', import.meta.url).href
const parent = parentPort as MessagePort
const session = new Session()
/** By script. The frames of a stopped thread have none. */
const urls = new Map<string, string>()
let thrown: Thrown[] = []

function throwerOf({ callFrames }: Debugger.PausedEventDataType): string | undefined {
  for (const { functionName, location } of callFrames) {
    const url = urls.get(location.scriptId) ?? ''
    if (url.startsWith('node:')) continue
    if (!url.startsWith(`${root}packages/`) || url.includes('/node_modules/')) return undefined
    return `${functionName}, ${url.slice(root.length)}:${location.lineNumber + 1}`
  }
  return undefined
}

session.connectToMainThread()
session.on('Debugger.scriptParsed', ({ params: { scriptId, url } }) => urls.set(scriptId, url))
session.on('Debugger.paused', ({ params }) => {
  const thrower = throwerOf(params)
  const { description, value } = params.data as { readonly description?: string; readonly value?: unknown }
  if (thrower !== undefined) thrown.push({ error: (description ?? String(value)).split('\n', 1)[0] ?? '', thrower })
  session.post('Debugger.resume')
})
parent.on('message', () => {
  parent.postMessage(thrown)
  thrown = []
})
session.post('Debugger.enable')
session.post('Debugger.setPauseOnExceptions', { state: 'all' }, () => parent.postMessage('watching'))
