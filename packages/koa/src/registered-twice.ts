/** The middlewares of this package, with their `path` option. */
const pathOptions = new WeakMap<object, string | undefined>()

export function remember(middleware: object, path: string | undefined): void {
  pathOptions.set(middleware, path)
}

/** What Koa and @koa/router leave in the context. */
interface Stacks {
  readonly app?: { readonly middleware?: readonly object[] }
  /** The routes that match the path. */
  readonly matched?: readonly { readonly methods: readonly string[]; readonly stack: readonly object[] }[]
}

/**
 * Whether several of our middlewares answer deliveries at this path: those used by the application with this `path`, and
 * those in routes that match. Other mounts leave no trace.
 */
export function isRegisteredTwice(ctx: object, path: string): boolean {
  const { app, matched = [] } = ctx as Stacks
  const used = app?.middleware?.filter((one) => pathOptions.get(one) === path) ?? []
  const routes = matched.filter(
    ({ methods, stack }) => methods.includes('POST') && stack.some((one) => pathOptions.has(one)),
  )
  return used.length + routes.length > 1
}
