import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  type AnyNode,
  type CallExpression,
  type ForOfStatement,
  type Identifier,
  type MemberExpression,
  type NewExpression,
  type Pattern,
  parse,
} from 'acorn'
import { transformSync } from 'esbuild'

/** Source files by name. */
export type Sources = ReadonlyMap<string, string>

/** The sources of core, by their path below `src`. */
export function coreSources(): Sources {
  const folder = fileURLToPath(new URL('../../packages/core/src/', import.meta.url))
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
  return new Map(names.sort().map((name) => [name, readFileSync(join(folder, name), 'utf8')]))
}

/** Where bytes that depend on a secret come from. */
const origins: ReadonlySet<string> = new Set(['createHmac', 'hash'])

/** The only function that may compare them. Its result is a boolean that anyone may see. */
const comparison = 'timingSafeEqual'

/**
 * What may be called on such bytes, or with them: functions that hash, copy or encode, in a time that depends on the
 * length alone. Every other function (`equals`, `compare`, `indexOf`, `every`, one of our own) counts as a comparison
 * until it has been reviewed and added here.
 */
const harmless: ReadonlySet<string> = new Set([
  comparison,
  'createHmac',
  'createSecretKey',
  'hash',
  'update',
  'digest',
  'write',
  'set',
  'subarray',
  'toString',
  'entries',
  'from',
])

/** Properties of such bytes that reveal nothing. */
const publicProperties: ReadonlySet<string> = new Set(['length', 'byteLength'])

interface ParsedFile {
  readonly name: string
  readonly program: AnyNode
}

/**
 * Follows everything that is computed from a MAC through the sources, and reports where the time of its use may depend
 * on its bytes. A name stands for everything it names in one file, which is too strict and never too lax.
 */
export function comparisonsOfSecretBytes(sources: Sources): readonly string[] {
  const files = [...sources].map(([name, text]): ParsedFile => {
    const program = parse(transformSync(text, { loader: 'ts', target: 'esnext' }).code, {
      ecmaVersion: 'latest',
      sourceType: 'module',
      locations: true,
    })
    return { name, program }
  })
  const taint = new Taint()
  // Until nothing new is found: whether a function returns secret bytes depends on the functions it calls.
  for (let known = -1; known !== taint.size; ) {
    known = taint.size
    for (const { name, program } of files) walk(program, [], (node, ancestors) => taint.spread(name, node, ancestors))
  }
  const violations: string[] = []
  let comparisons = 0
  for (const { name, program } of files) {
    walk(program, [], (node) => {
      const problem = taint.misuse(name, node)
      if (problem !== undefined) violations.push(`${name}:${node.loc?.start.line}: ${problem}`)
      if (node.type !== 'CallExpression' || calleeName(node) !== comparison) return
      if (taint.isTainted(name, node.arguments[1] as AnyNode)) comparisons += 1
    })
    if (!importsFromCrypto(program)) violations.push(`${name}: ${comparison} is not node:crypto's`)
  }
  if (comparisons === 0) violations.push(`no ${comparison} of anything that depends on a secret`)
  return violations
}

class Taint {
  /** `file|name` of variables, `file|.name` of fields, and `()name` of functions, which have one name in all files. */
  readonly #names = new Set<string>()
  /** Names of the same form, of objects that have secret bytes among their properties. */
  readonly #holders = new Set<string>()

  get size(): number {
    return this.#names.size + this.#holders.size
  }

  spread(file: string, node: AnyNode, ancestors: readonly AnyNode[]): void {
    switch (node.type) {
      case 'VariableDeclarator':
        this.#spreadByAssigning(file, node.id, node.init)
        return
      case 'AssignmentExpression':
        this.#spreadByAssigning(file, node.left, node.right)
        return
      case 'PropertyDefinition':
        this.#spreadByAssigning(file, node.key, node.value)
        return
      case 'Property':
        if (this.isTainted(file, node.value)) this.#addField(file, node.key)
        return
      case 'ReturnStatement':
        if (node.argument) this.#spreadByReturning(file, node.argument, ancestors)
        return
      case 'ArrowFunctionExpression':
        if (node.expression) this.#spreadByReturning(file, node.body, [...ancestors, node])
        return
      case 'ForOfStatement':
        this.#spreadInLoop(file, node)
        return
      case 'CallExpression':
        this.#spreadByWriting(file, node)
    }
  }

  #spreadByAssigning(file: string, target: AnyNode, value: AnyNode | null | undefined): void {
    if (!value) return
    if (this.isTainted(file, value)) this.#addPattern(file, target as Pattern)
    if (this.#isHolder(file, value) && target.type === 'Identifier') this.#holders.add(`${file}|${target.name}`)
    if (target.type !== 'ObjectPattern') return
    for (const property of target.properties) {
      const isField = property.type === 'Property' && property.key.type === 'Identifier'
      if (isField && this.#names.has(`${file}|.${(property.key as Identifier).name}`))
        this.#addPattern(file, property.value)
    }
  }

  #spreadByReturning(file: string, value: AnyNode, ancestors: readonly AnyNode[]): void {
    const name = nameOfInnermostFunction(ancestors)
    if (name === undefined) return
    if (this.isTainted(file, value)) this.#names.add(`()${name}`)
    if (this.#isHolder(file, value)) this.#holders.add(`()${name}`)
  }

  #spreadInLoop(file: string, { left, right }: ForOfStatement): void {
    if (left.type !== 'VariableDeclaration' || !this.isTainted(file, right)) return
    for (const { id } of left.declarations) {
      const isIndexed = right.type === 'CallExpression' && calleeName(right) === 'entries' && id.type === 'ArrayPattern'
      // The index of an entry depends on no byte.
      if (isIndexed) this.#addPattern(file, { ...id, elements: id.elements.slice(1) })
      else this.#addPattern(file, id)
    }
  }

  /** Whatever secret bytes are written into is secret from then on. */
  #spreadByWriting(file: string, call: CallExpression): void {
    if (call.callee.type !== 'MemberExpression' || !['write', 'set', 'copy', 'fill'].includes(calleeName(call) ?? ''))
      return
    if (call.arguments.some((argument) => this.isTainted(file, argument)))
      this.#addName(file, call.callee.object as AnyNode)
  }

  isTainted(file: string, node: AnyNode): boolean {
    switch (node.type) {
      case 'Identifier':
        return this.#names.has(`${file}|${node.name}`)
      case 'MemberExpression': {
        const name = propertyName(node)
        if (name !== undefined && publicProperties.has(name)) return false
        return (name !== undefined && this.#names.has(`${file}|.${name}`)) || this.isTainted(file, node.object)
      }
      case 'CallExpression':
      case 'NewExpression':
        return this.#isTaintedCall(file, node)
      case 'ChainExpression':
        return this.isTainted(file, node.expression)
      case 'AssignmentExpression':
        return this.isTainted(file, node.right)
      case 'AwaitExpression':
      case 'UnaryExpression':
      case 'SpreadElement':
        return this.isTainted(file, node.argument)
      case 'BinaryExpression':
      case 'LogicalExpression':
        return this.isTainted(file, node.left as AnyNode) || this.isTainted(file, node.right)
      case 'ConditionalExpression':
        return this.isTainted(file, node.consequent) || this.isTainted(file, node.alternate)
      case 'TemplateLiteral':
        return node.expressions.some((expression) => this.isTainted(file, expression))
      case 'ArrayExpression':
        return node.elements.some((element) => element !== null && this.isTainted(file, element))
      default:
        return false
    }
  }

  /** Whether a value is an object with secret bytes among its properties. The object itself may be compared. */
  #isHolder(file: string, node: AnyNode): boolean {
    switch (node.type) {
      case 'Identifier':
        return this.#holders.has(`${file}|${node.name}`)
      case 'ObjectExpression':
        return node.properties.some((property) => {
          const value = property.type === 'Property' ? property.value : property.argument
          return this.isTainted(file, value) || this.#isHolder(file, value)
        })
      case 'CallExpression':
        return this.#holders.has(`()${calleeName(node)}`)
      case 'AwaitExpression':
        return this.#isHolder(file, node.argument)
      case 'LogicalExpression':
        return this.#isHolder(file, node.left) || this.#isHolder(file, node.right)
      case 'ConditionalExpression':
        return this.#isHolder(file, node.consequent) || this.#isHolder(file, node.alternate)
      default:
        return false
    }
  }

  misuse(file: string, node: AnyNode): string | undefined {
    if (node.type === 'BinaryExpression' && /^(?:[=!<>]=*|in|instanceof)$/.test(node.operator)) {
      if (this.isTainted(file, node.left as AnyNode) || this.isTainted(file, node.right))
        return `compared with ${node.operator}`
    }
    if ('test' in node && node.test && this.isTainted(file, node.test as AnyNode)) return 'decides a branch'
    if (node.type === 'SwitchStatement' && this.isTainted(file, node.discriminant)) return 'decides a branch'
    if (node.type === 'LogicalExpression' && this.isTainted(file, node.left)) return `tested by ${node.operator}`
    if (node.type === 'CallExpression' || node.type === 'NewExpression') return this.#misuseInCall(file, node)
    if (node.type === 'MemberExpression' && node.computed && this.isTainted(file, node.property))
      return 'used as an index'
    return undefined
  }

  #misuseInCall(file: string, call: CallExpression | NewExpression): string | undefined {
    const name = calleeName(call) ?? 'an unnamed function'
    if (harmless.has(name) || this.#names.has(`()${name}`)) return undefined
    const receiver = call.callee.type === 'MemberExpression' ? (call.callee.object as AnyNode) : undefined
    const isTouched =
      (receiver !== undefined && this.isTainted(file, receiver)) ||
      call.arguments.some((argument) => this.isTainted(file, argument) || this.#isHolder(file, argument))
    return isTouched ? `passed to ${name}` : undefined
  }

  #isTaintedCall(file: string, call: CallExpression | NewExpression): boolean {
    const name = calleeName(call)
    if (name === comparison) return false
    if (name !== undefined && (origins.has(name) || this.#names.has(`()${name}`))) return true
    const receiver = call.callee.type === 'MemberExpression' && this.isTainted(file, call.callee.object as AnyNode)
    return receiver || call.arguments.some((argument) => this.isTainted(file, argument))
  }

  #addPattern(file: string, pattern: Pattern): void {
    if (pattern.type === 'ObjectPattern') {
      for (const property of pattern.properties)
        this.#addPattern(file, property.type === 'Property' ? property.value : property.argument)
    } else if (pattern.type === 'ArrayPattern') {
      for (const element of pattern.elements) if (element !== null) this.#addPattern(file, element)
    } else if (pattern.type === 'AssignmentPattern') this.#addPattern(file, pattern.left)
    else if (pattern.type === 'RestElement') this.#addPattern(file, pattern.argument)
    else this.#addName(file, pattern)
  }

  #addName(file: string, node: AnyNode): void {
    if (node.type === 'Identifier') this.#names.add(`${file}|${node.name}`)
    else if (node.type === 'PrivateIdentifier') this.#names.add(`${file}|.#${node.name}`)
    else if (node.type === 'MemberExpression') {
      // A secret element makes its array secret.
      if (node.computed) this.#addName(file, node.object as AnyNode)
      const name = propertyName(node)
      if (name !== undefined) this.#names.add(`${file}|.${name}`)
    }
  }

  #addField(file: string, key: AnyNode): void {
    if (key.type === 'Identifier') this.#names.add(`${file}|.${key.name}`)
  }
}

function nameOfInnermostFunction(ancestors: readonly AnyNode[]): string | undefined {
  for (let index = ancestors.length - 1; index >= 0; index -= 1) {
    const node = ancestors[index] as AnyNode
    if (node.type === 'FunctionDeclaration') return node.id?.name
    if (node.type === 'FunctionExpression' || node.type === 'ArrowFunctionExpression')
      return nameOfFunctionIn(ancestors[index - 1])
  }
  return undefined
}

function nameOfFunctionIn(parent: AnyNode | undefined): string | undefined {
  if (parent?.type === 'MethodDefinition' || parent?.type === 'Property' || parent?.type === 'PropertyDefinition') {
    if (parent.key.type === 'Identifier') return parent.key.name
    return parent.key.type === 'PrivateIdentifier' ? `#${parent.key.name}` : undefined
  }
  return parent?.type === 'VariableDeclarator' && parent.id.type === 'Identifier' ? parent.id.name : undefined
}

function propertyName(node: MemberExpression): string | undefined {
  if (node.property.type === 'PrivateIdentifier') return `#${node.property.name}`
  return !node.computed && node.property.type === 'Identifier' ? node.property.name : undefined
}

function calleeName({ callee }: CallExpression | NewExpression): string | undefined {
  if (callee.type === 'Identifier') return callee.name
  return callee.type === 'MemberExpression' ? propertyName(callee) : undefined
}

/** No other function may have its name. */
function importsFromCrypto(program: AnyNode): boolean {
  let isGenuine = true
  walk(program, [], (node) => {
    if (node.type === 'ImportDeclaration' && node.source.value !== 'node:crypto') {
      if (node.specifiers.some(({ local }) => local.name === comparison)) isGenuine = false
    }
    const declared = node.type === 'FunctionDeclaration' || node.type === 'VariableDeclarator' ? node.id : undefined
    if (declared?.type === 'Identifier' && declared.name === comparison) isGenuine = false
  })
  return isGenuine
}

function walk(
  node: AnyNode,
  ancestors: readonly AnyNode[],
  visit: (node: AnyNode, ancestors: readonly AnyNode[]) => void,
): void {
  visit(node, ancestors)
  const inner = [...ancestors, node]
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (typeof child === 'object' && child !== null && 'type' in child) walk(child as AnyNode, inner, visit)
    }
  }
}
