// Commits to a slow disk without pausing, in a separate process, until killed: node slow-neighbor.ts <file> <name>
import { takeTurns } from './slow-disk.ts'

const [file = '', name = ''] = process.argv.slice(2)
const { turn } = takeTurns(file, name)
process.send?.('open')
for (;;) await turn()
