// `node startup-child.ts <module>`: prints how long the import took and how many bytes of source it read.
import { registerHooks } from 'node:module'

const [specifier = ''] = process.argv.slice(2)
let bytes = 0
let files = 0
registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    if (url.startsWith('file:')) {
      files += 1
      bytes += loaded.source === undefined || loaded.source === null ? 0 : Buffer.byteLength(loaded.source as string)
    }
    return loaded
  },
})
const startedAtMs = performance.now()
await import(specifier)
process.stdout.write(JSON.stringify({ milliseconds: performance.now() - startedAtMs, bytes, files }))
