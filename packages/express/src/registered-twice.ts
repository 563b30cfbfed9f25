import { pathOf } from '@scrapenest-webhooks/node'

/** The members of an Express 4 or 5 router layer that are used here. */
interface Layer {
  readonly handle: object
  readonly route?: { readonly stack: readonly Layer[]; readonly methods: Readonly<Record<string, boolean>> } | undefined
  /** The matched part of the path. Set by `match`, unless `match` returns the path instead. */
  readonly path?: string
  match(path: string): boolean | { readonly path: string } | null
}

interface Application {
  readonly router?: { readonly stack: readonly Layer[] }
  /** Express 4 only. Read first, because `router` throws there. */
  readonly _router?: { readonly stack: readonly Layer[] }
}

/** Middleware created by this package, with its `path` option. */
const pathOptions = new WeakMap<object, string | undefined>()

export function remember(middleware: object, path: string | undefined): void {
  pathOptions.set(middleware, path)
}

/**
 * Returns the path of the request if more than one middleware of this package in the application's own stack answers
 * deliveries there. Does not find those in other routers.
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
