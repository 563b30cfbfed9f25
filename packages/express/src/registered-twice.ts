import { pathOf } from '@scrapenest-webhooks/node'

/** What is used of the router of Express 4 and 5. */
interface Layer {
  readonly handle: object
  readonly route?: { readonly stack: readonly Layer[]; readonly methods: Readonly<Record<string, boolean>> } | undefined
  /** Where `match` leaves the part of the path that matched, unless it returns it. */
  readonly path?: string
  match(path: string): boolean | { readonly path: string } | null
}

interface Application {
  readonly router?: { readonly stack: readonly Layer[] }
  /** Express 4, whose `router` throws. */
  readonly _router?: { readonly stack: readonly Layer[] }
}

/** The middlewares of this package, with their `path` option. */
const pathOptions = new WeakMap<object, string | undefined>()

export function remember(middleware: object, path: string | undefined): void {
  pathOptions.set(middleware, path)
}

/**
 * The path of this request, if several of our middlewares in the application's own stack answer deliveries there. Those
 * in other routers are not found.
 */
export function findSecondRegistration(request: {
  readonly app?: unknown
  readonly originalUrl: string
}): string | undefined {
  const application = request.app as Application | undefined
  const stack = (application?._router ?? application?.router)?.stack ?? []
  const path = pathOf(request.originalUrl) ?? ''
  const found = stack.filter((layer) => answersAt(layer, path))
  return found.length > 1 ? path : undefined
}

function answersAt(layer: Layer, path: string): boolean {
  const { route } = layer
  if (route === undefined) {
    const match = pathOptions.has(layer.handle) && layer.match(path)
    if (!match) return false
    const mount = match === true ? layer.path : match.path
    return `${mount ?? ''}${pathOptions.get(layer.handle) ?? ''}` === path
  }
  const isOurs = route.stack.some(({ handle }) => pathOptions.has(handle))
  return isOurs && Boolean(route.methods['post'] ?? route.methods['_all']) && Boolean(layer.match(path))
}
