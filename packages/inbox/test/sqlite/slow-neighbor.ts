// Commits to a slow disk without a pause, in a process of its own, until it is killed: node slow-neighbor.ts <file> <name>
import { takeTurns } from './slow-disk.ts'

const [file = '', name = ''] = process.argv.slice(2)
const { turn } = takeTurns(file, name)
process.send?.('open')
for (;;) await turn()
