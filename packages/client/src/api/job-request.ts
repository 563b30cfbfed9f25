/** Any text. The editor offers the known values; ScrapeNest's lists are open. */
type Open<Known extends string> = Known | (string & {})

export type JobType = 'light' | 'standard' | 'stealth'
export type HttpMethod = Open<'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'HEAD'>
export type WaitUntil = Open<'load' | 'domcontentloaded' | 'networkidle' | 'commit'>

/** A job of one of the three tiers. Fields keep their names on the wire. */
export type JobRequest = LightJobRequest | StandardJobRequest | StealthJobRequest

interface AnyJobRequest {
  readonly target_url: string
  readonly timeout_ms?: number
  readonly tags?: readonly string[]
  /** The same token returns the same job. @default a new one for each call, which makes the call safe to retry */
  readonly idempotency_token?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly user_agent?: string
  readonly artifact_options?: ArtifactOptions
  readonly extraction?: { readonly hooks: readonly ExtractionHook[] }
}

/** A plain HTTP request. */
export interface LightJobRequest extends AnyJobRequest {
  readonly job_type: 'light'
  readonly method?: HttpMethod
  readonly body?: string
  readonly follow_redirects?: boolean
  readonly retry_policy?: {
    readonly max_attempts: number
    readonly retry_on_status?: readonly number[]
    readonly retry_methods?: readonly HttpMethod[]
  }
}

interface BrowserJobRequest extends AnyJobRequest {
  readonly headless?: boolean
  readonly browser?: Open<'chromium' | 'stealth'>
  readonly wait_until?: WaitUntil
  readonly navigation_timeout_ms?: number
  readonly viewport?: { readonly width: number; readonly height: number }
  readonly locale?: string
  readonly timezone_id?: string
  readonly actions?: readonly JobAction[]
}

/** A headless browser. */
export interface StandardJobRequest extends BrowserJobRequest {
  readonly job_type: 'standard'
}

/** A browser that is hard to block. */
export interface StealthJobRequest extends BrowserJobRequest {
  readonly job_type: 'stealth'
  readonly os_name?: Open<'windows' | 'macos' | 'linux'>
  readonly browser_extensions?: readonly Open<'ublock' | 'isdcac'>[]
  readonly proxy?: {
    readonly server: string
    readonly bypass?: string
    readonly username?: string
    readonly password?: string
  }
}

export interface ArtifactOptions {
  readonly include_html?: boolean
  readonly include_response_body?: boolean
  readonly include_extraction?: boolean
  readonly include_screenshot?: boolean
  readonly include_har?: boolean
  readonly include_console?: boolean
  readonly include_text?: boolean
  readonly block_images?: boolean
  readonly block_stylesheets?: boolean
  readonly block_media?: boolean
  readonly block_fonts?: boolean
  readonly no_scroll?: boolean
}

export type ExtractionHook = {
  readonly hook_id: string
  readonly all_matches?: boolean
  readonly timeout_ms?: number
} & (
  | { readonly type: 'css'; readonly selector: string; readonly attribute?: string }
  | { readonly type: 'regex'; readonly pattern: string; readonly flags?: string; readonly group?: number }
  | { readonly type: 'jsonpath'; readonly path: string }
)

export type JobAction =
  | { readonly action: 'click'; readonly selector: string; readonly timeout_ms?: number }
  | { readonly action: 'fill'; readonly selector: string; readonly value: string; readonly timeout_ms?: number }
  | { readonly action: 'wait_for_selector'; readonly selector: string; readonly timeout_ms?: number }
  | { readonly action: 'wait_for_timeout'; readonly timeout_ms: number }
  | { readonly action: 'evaluate'; readonly script: string }
  | {
      readonly action: 'screenshot'
      readonly selector?: string
      readonly full_page?: boolean
      readonly filename?: string
    }
  | { readonly action: 'navigate'; readonly url: string; readonly wait_until?: WaitUntil }
