export function isHttpUrl(value: unknown): value is string {
  return typeof value === 'string' && URL.canParse(value) && /^https?:$/.test(new URL(value).protocol)
}

/** Whether a URL points to this machine, the only place the simulator delivers to. */
export function isLocalUrl(value: unknown): value is string {
  return isHttpUrl(value) && isLocalHost(new URL(value).hostname)
}

/** Whether a host name, as `URL` normalizes it, is `localhost` or a loopback address. */
export function isLocalHost(hostname: string): boolean {
  return /^(localhost|127(\.[0-9]{1,3}){3}|\[::1\])$/.test(hostname)
}
