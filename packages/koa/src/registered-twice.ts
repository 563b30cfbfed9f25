/** Middleware created by this package, with its `path` option. */
const pathOptions = new WeakMap<object, string | undefined>()

export function remember(middleware: object, path: string | undefined): void {
  pathOptions.set(middleware, path)
}

/** What Koa and @koa/router store in the context. */
interface Stacks {
  readonly app?: { readonly middleware?: readonly object[] }
  /** The routes that match the path. */
  readonly matched?: readonly { readonly methods: readonly string[]; readonly stack: readonly object[] }[]
}

/**
 * Whether more than one middleware of this package answers deliveries at this path: those that the application uses with
 * this `path`, and those in matching routes. Does not find other mounts.
 */
export function isRegisteredTwice(ctx: object, path: string): boolean {
  const { app, matched = [] } = ctx as Stacks
  const used = app?.middleware?.filter((one) => pathOptions.get(one) === path) ?? []
  const routes = matched.filter(
    ({ methods, stack }) => methods.includes('POST') && stack.some((one) => pathOptions.has(one)),
  )
  return used.length + routes.length > 1
}
