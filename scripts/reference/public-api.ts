import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import ts from 'typescript-6'

const repository: string = join(import.meta.dirname, '../..')

/** One name that an entry point exports. */
interface ExportedName {
  readonly name: string
  /** As the compiler declares it, with the docstrings of its members. */
  readonly declaration: string
  /** Its docstring, as Markdown. */
  readonly description: string
}

/** What an application can import from one specifier. */
export interface EntryPoint {
  readonly specifier: string
  readonly exports: readonly ExportedName[]
  /** The names that are exported from another package, by its specifier; `*` stands for all of its types. */
  readonly reexports: ReadonlyMap<string, readonly string[]>
}

/** One property of an interface of options. */
export interface Option {
  readonly name: string
  readonly type: string
  readonly isRequired: boolean
  readonly description: string
  readonly default: string | undefined
}

/** The packages as the compiler sees them, from their sources. */
export interface PublicApi {
  /** By the name of the package's folder. */
  readonly packages: ReadonlyMap<string, readonly EntryPoint[]>
  /** The properties of an exported interface, those it inherits included. */
  optionsOf(specifier: string, interfaceName: string): readonly Option[]
}

/** Written by TypeScript 6: the newest compiler has no API in JavaScript. */
export async function readPublicApi(): Promise<PublicApi> {
  const sources = await entrySources()
  const program = ts.createProgram([...sources.values()], compilerOptions())
  const checker = program.getTypeChecker()
  const declarations = new Map<ts.SourceFile, ts.SourceFile>()

  /** The file as a declaration file, which has no bodies. */
  function declared(file: ts.SourceFile): ts.SourceFile {
    const known = declarations.get(file)
    if (known !== undefined) return known
    const { outputText } = ts.transpileDeclaration(file.text, {
      fileName: file.fileName,
      compilerOptions: compilerOptions(),
    })
    const parsed = ts.createSourceFile(file.fileName, outputText, ts.ScriptTarget.ES2023, true)
    declarations.set(file, parsed)
    return parsed
  }

  function exportsOf(file: string): readonly ts.Symbol[] {
    const symbol = checker.getSymbolAtLocation(program.getSourceFile(file) as ts.SourceFile)
    return symbol === undefined ? [] : checker.getExportsOfModule(symbol).map(resolved)
  }

  function resolved(symbol: ts.Symbol): ts.Symbol {
    return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
  }

  function readEntryPoint(specifier: string, file: string): EntryPoint {
    const own: ExportedName[] = []
    const reexports = reexportsOf(program.getSourceFile(file) as ts.SourceFile)
    const folder = packageFolder(file)
    for (const symbol of exportsOf(file)) {
      const source = symbol.declarations?.[0]?.getSourceFile()
      if (source !== undefined && packageFolder(source.fileName) === folder)
        own.push(describe(symbol.name, declared(source)))
    }
    return { specifier, exports: own.sort((one, other) => (one.name < other.name ? -1 : 1)), reexports }
  }

  const packages = new Map<string, EntryPoint[]>()
  for (const [specifier, file] of sources) {
    const folder = packageFolder(file)
    packages.set(folder, [...(packages.get(folder) ?? []), readEntryPoint(specifier, file)])
  }

  return {
    packages,
    optionsOf(specifier, interfaceName) {
      const file = sources.get(specifier)
      const symbol = file === undefined ? undefined : exportsOf(file).find(({ name }) => name === interfaceName)
      if (symbol === undefined) throw new Error(`${specifier} exports no ${interfaceName}.`)
      const options = checker.getPropertiesOfType(checker.getDeclaredTypeOfSymbol(symbol))
      return options
        .map((option) => describeOption(option, checker))
        .sort((one, other) => (one.name < other.name ? -1 : 1))
    },
  }
}

function reexportsOf(file: ts.SourceFile): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, readonly string[]>()
  for (const statement of file.statements.filter(ts.isExportDeclaration)) {
    const { exportClause, moduleSpecifier } = statement
    const from = moduleSpecifier !== undefined && ts.isStringLiteral(moduleSpecifier) ? moduleSpecifier.text : ''
    if (!from.startsWith('@scrapenest-webhooks/')) continue
    const names = exportClause !== undefined && ts.isNamedExports(exportClause) ? exportClause.elements : []
    const listed = exportClause === undefined ? ['*'] : names.map(({ name }) => name.text)
    found.set(from, [...(found.get(from) ?? []), ...listed].sort())
  }
  return found
}

/** The source file of each specifier that the packages export. */
async function entrySources(): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>()
  for (const name of (await readdir(join(repository, 'packages'))).sort()) {
    const folder = join(repository, 'packages', name)
    const { exports } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
    for (const [subpath, conditions] of Object.entries<Record<string, string>>(exports)) {
      const source = conditions['@scrapenest-webhooks/source']
      if (source !== undefined) found.set(`@scrapenest-webhooks/${name}${subpath.slice(1)}`, join(folder, source))
    }
  }
  return found
}

function compilerOptions(): ts.CompilerOptions {
  const { config } = ts.readConfigFile(join(repository, 'tsconfig.base.json'), ts.sys.readFile)
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, repository)
  return { ...options, composite: false, noEmit: true, declaration: true }
}

function packageFolder(file: string): string {
  return relative(join(repository, 'packages'), file).split(/[\\/]/, 1)[0] as string
}

/** Overloads are one export, and so are a type and a value with the same name. */
function describe(name: string, file: ts.SourceFile): ExportedName {
  const statements = file.statements.filter((statement) => namesOf(statement).includes(name))
  if (statements.length === 0) throw new Error(`${file.fileName} declares no ${name}.`)
  return {
    name,
    declaration: statements.map((statement) => withoutModifiers(statement.getText(file))).join('\n'),
    description: statements.map(docstringOf).filter(Boolean).join('\n\n'),
  }
}

function namesOf(statement: ts.Statement): readonly string[] {
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.map((declaration) => declaration.name.getText())
  }
  const { name } = statement as Partial<ts.DeclarationStatement>
  return name === undefined ? [] : [name.text]
}

function withoutModifiers(text: string): string {
  return text
    .replace(/^(?:export |declare |default )+/, '')
    .replaceAll(/^ {4}#private;\n/gm, '')
    .replaceAll(/^( {4})+/gm, (indent) => ' '.repeat(indent.length / 2))
}

/** The docstring with its tags as a list. */
function docstringOf(node: ts.Node): string {
  const [comment] = ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc).slice(-1)
  if (comment === undefined) return ''
  const [examples, tags] = [isExample, (tag: ts.JSDocTag) => !isExample(tag)].map((isWanted) =>
    (comment.tags ?? []).filter(isWanted),
  ) as [ts.JSDocTag[], ts.JSDocTag[]]
  const list = tags.map((tag) => `- ${tagLabel(tag)} ${textOf(tag.comment)}`.trimEnd()).join('\n')
  const code = examples.map((tag) => `\`\`\`typescript\n${codeOf(tag)}\n\`\`\``)
  return [textOf(comment.comment), list, ...code].filter(Boolean).join('\n\n')
}

function isExample(tag: ts.JSDocTag): boolean {
  return tag.tagName.text === 'example'
}

/** As written: the parser drops the indentation. */
function codeOf(tag: ts.JSDocTag): string {
  const lines = tag
    .getText()
    .replace(/^@example/, '')
    .split('\n')
  const text = lines.map((line) => line.replace(/^\s*\* ?/, '')).filter((line) => !/^\s*(?:```\w*)?$/.test(line))
  return text.join('\n').trimEnd()
}

function tagLabel(tag: ts.JSDocTag): string {
  if (ts.isJSDocParameterTag(tag)) return `\`${tag.name.getText()}\`:`
  if (ts.isJSDocTemplateTag(tag)) return `\`${tag.typeParameters.map((one) => one.getText()).join(', ')}\`:`
  if (ts.isJSDocThrowsTag(tag))
    return `Throws${tag.typeExpression === undefined ? '' : ` \`${tag.typeExpression.type.getText()}\``}`
  if (ts.isJSDocReturnTag(tag)) return 'Returns'
  const label = tag.tagName.text
  return `${label[0]?.toUpperCase()}${label.slice(1)}:`
}

function textOf(comment: ts.JSDoc['comment']): string {
  return (ts.getTextOfJSDocComment(comment) ?? '').replaceAll(/\{@link (\w+)\}/g, '`$1`').trim()
}

function describeOption(option: ts.Symbol, checker: ts.TypeChecker): Option {
  const declaration = option.declarations?.find(ts.isPropertySignature)
  const tags = option.getJsDocTags(checker)
  const [given] = tags.filter(({ name }) => name === 'default').map(({ text }) => ts.displayPartsToString(text))
  const type = declaration?.type?.getText() ?? checker.typeToString(checker.getTypeOfSymbol(option))
  return {
    name: option.name,
    type: type.replace(/ \| undefined$/, '').replace(/^\((.*)\)$/s, '$1'),
    isRequired: (option.flags & ts.SymbolFlags.Optional) === 0 && !type.includes('| undefined'),
    description: ts.displayPartsToString(option.getDocumentationComment(checker)),
    default: given,
  }
}
