import { relative } from 'node:path'
import ts from 'typescript-6'

export interface EntryPoint {
  /** Such as `@scrapenest-webhooks/core/fetch`. */
  readonly name: string
  /** Its declarations. */
  readonly file: string
  /** Entry points that its users have installed too, such as those of a peer. */
  readonly peers?: readonly EntryPoint[]
}

/**
 * Interfaces, classes and enums that the public signatures of an entry point reach and that it does not export. The compiler
 * writes an alias out, but it can only name these: with `declaration: true`, a project could not export a value of such a
 * type.
 *
 * @param root types declared elsewhere, or installed, are other people's.
 * @returns `<entry point>: <type> (<file>), in <export>` for each.
 */
export function findUnexportedTypes(root: string, entryPoints: readonly EntryPoint[]): readonly string[] {
  const program = ts.createProgram(
    entryPoints.flatMap(({ file, peers = [] }) => [file, ...peers.map((peer) => peer.file)]),
    // Only names are resolved. Those of the standard library and of Node are not ours anyway.
    { module: ts.ModuleKind.NodeNext, noLib: true, types: [] },
  )
  return entryPoints.flatMap((entryPoint) => new Walk(program, root, entryPoint).unexported())
}

/** Walks the declarations of one entry point. */
class Walk {
  readonly #program: ts.Program
  readonly #checker: ts.TypeChecker
  readonly #root: string
  readonly #entryPoint: EntryPoint
  readonly #seen: Set<ts.Symbol>
  readonly #found: string[] = []

  constructor(program: ts.Program, root: string, entryPoint: EntryPoint) {
    this.#program = program
    this.#checker = program.getTypeChecker()
    this.#root = root
    this.#entryPoint = entryPoint
    const known = [entryPoint, ...(entryPoint.peers ?? [])].flatMap((one) => this.#exportsOf(one))
    this.#seen = new Set(known.map((symbol) => this.#withoutAlias(symbol)))
  }

  unexported(): readonly string[] {
    for (const symbol of this.#exportsOf(this.#entryPoint)) {
      for (const declaration of this.#withoutAlias(symbol).declarations ?? []) {
        for (const part of partsOf(declaration, isTypeOnlyExport(symbol))) this.#visit(part, symbol.name)
      }
    }
    return this.#found
  }

  #visit(node: ts.Node, from: string): void {
    if (isHidden(node)) return
    const symbol = this.#namedBy(node)
    if (symbol !== undefined && !this.#seen.has(symbol)) this.#meet(symbol, from)
    ts.forEachChild(node, (child) => this.#visit(child, from))
  }

  #meet(symbol: ts.Symbol, from: string): void {
    this.#seen.add(symbol)
    const place = relative(this.#root, symbol.declarations?.[0]?.getSourceFile().fileName ?? '..')
    if (place.startsWith('..') || place.includes('node_modules')) return
    const isNamed = (symbol.flags & (ts.SymbolFlags.Interface | ts.SymbolFlags.Class | ts.SymbolFlags.Enum)) !== 0
    if (isNamed) this.#found.push(`${this.#entryPoint.name}: ${symbol.name} (${place}), in ${from}`)
    for (const declaration of symbol.declarations ?? []) this.#visit(declaration, from)
  }

  #exportsOf({ name, file }: EntryPoint): readonly ts.Symbol[] {
    const source = this.#program.getSourceFile(file)
    const module = source && this.#checker.getSymbolAtLocation(source)
    if (module === undefined) throw new Error(`${name} has no declarations at ${file}.`)
    return this.#checker.getExportsOfModule(module)
  }

  #withoutAlias(symbol: ts.Symbol): ts.Symbol {
    return symbol.flags & ts.SymbolFlags.Alias ? this.#checker.getAliasedSymbol(symbol) : symbol
  }

  #namedBy(node: ts.Node): ts.Symbol | undefined {
    const name = nameIn(node)
    const symbol = name && this.#checker.getSymbolAtLocation(name)
    return symbol && this.#withoutAlias(symbol)
  }
}

function nameIn(node: ts.Node): ts.Node | undefined {
  if (ts.isTypeReferenceNode(node)) return node.typeName
  if (ts.isExpressionWithTypeArguments(node)) return node.expression
  return ts.isImportTypeNode(node) ? node.qualifier : undefined
}

/** A class that is exported as a type cannot be constructed. */
function partsOf(declaration: ts.Declaration, isTypeOnly: boolean): readonly ts.Node[] {
  if (!isTypeOnly || !ts.isClassDeclaration(declaration)) return [declaration]
  return declaration.members.filter((member) => !ts.isConstructorDeclaration(member))
}

function isTypeOnlyExport({ declarations = [] }: ts.Symbol): boolean {
  return declarations.some((one) => ts.isExportSpecifier(one) && (one.isTypeOnly || one.parent.parent.isTypeOnly))
}

function isHidden(node: ts.Node): boolean {
  if (ts.isClassElement(node) && node.name !== undefined && ts.isPrivateIdentifier(node.name)) return true
  const modifiers = ts.canHaveModifiers(node) ? (ts.getModifiers(node) ?? []) : []
  return modifiers.some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword)
}
