// `node startup-child.ts [--count] <module>…` imports the modules one after the other, and prints the CPU milliseconds that
// the last one took; with --count, the bytes of source and the number of files instead, because counting takes time.
import { registerHooks } from 'node:module'

const specifiers = process.argv.slice(2)
const isCounting = specifiers[0] === '--count'
let bytes = 0
let files = 0
if (isCounting) {
  specifiers.shift()
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
}
const measured = specifiers.pop() ?? ''
for (const specifier of specifiers) await import(specifier)
const before = process.cpuUsage()
await import(measured)
const { user, system } = process.cpuUsage(before)
process.stdout.write(JSON.stringify(isCounting ? { bytes, files } : (user + system) / 1000))
