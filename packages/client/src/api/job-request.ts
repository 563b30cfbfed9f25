/** Any text. Editors suggest the known values, but ScrapeNest's lists are open. */
type Open<Known extends string> = Known | (string & {})

export type JobType = 'light' | 'standard' | 'stealth'
export type HttpMethod = Open<'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'HEAD'>
export type WaitUntil = Open<'load' | 'domcontentloaded' | 'networkidle' | 'commit'>

/** A job in one of the three tiers. Fields keep their wire names. */
export type JobRequest = LightJobRequest | StandardJobRequest | StealthJobRequest

/** What jobs of every tier have in common. */
export interface AnyJobRequest {
  readonly target_url: string
  readonly timeout_ms?: number | undefined
  readonly tags?: readonly string[] | undefined
  /**
   * Submitting the same token again returns the same job. @default a new token for each call, which makes the call safe to
   * retry
   */
  readonly idempotency_token?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly user_agent?: string | undefined
  readonly artifact_options?: ArtifactOptions | undefined
  readonly extraction?: { readonly hooks: readonly ExtractionHook[] } | undefined
}

/** A plain HTTP request. */
export interface LightJobRequest extends AnyJobRequest {
  readonly job_type: 'light'
  readonly method?: HttpMethod | undefined
  readonly body?: string | undefined
  readonly follow_redirects?: boolean | undefined
  readonly retry_policy?:
    | {
        readonly max_attempts: number
        readonly retry_on_status?: readonly number[] | undefined
        readonly retry_methods?: readonly HttpMethod[] | undefined
      }
    | undefined
}

/** What jobs that run in a browser have in common. */
export interface BrowserJobRequest extends AnyJobRequest {
  readonly headless?: boolean | undefined
  readonly browser?: Open<'chromium' | 'stealth'> | undefined
  readonly wait_until?: WaitUntil | undefined
  readonly navigation_timeout_ms?: number | undefined
  readonly viewport?: { readonly width: number; readonly height: number } | undefined
  readonly locale?: string | undefined
  readonly timezone_id?: string | undefined
  readonly actions?: readonly JobAction[] | undefined
}

/** A headless browser. */
export interface StandardJobRequest extends BrowserJobRequest {
  readonly job_type: 'standard'
}

/** A browser that evades blocking. */
export interface StealthJobRequest extends BrowserJobRequest {
  readonly job_type: 'stealth'
  readonly os_name?: Open<'windows' | 'macos' | 'linux'> | undefined
  readonly browser_extensions?: readonly Open<'ublock' | 'isdcac'>[] | undefined
  readonly proxy?:
    | {
        readonly server: string
        readonly bypass?: string | undefined
        readonly username?: string | undefined
        readonly password?: string | undefined
      }
    | undefined
}

export interface ArtifactOptions {
  readonly include_html?: boolean | undefined
  readonly include_response_body?: boolean | undefined
  readonly include_extraction?: boolean | undefined
  readonly include_screenshot?: boolean | undefined
  readonly include_har?: boolean | undefined
  readonly include_console?: boolean | undefined
  readonly include_text?: boolean | undefined
  readonly block_images?: boolean | undefined
  readonly block_stylesheets?: boolean | undefined
  readonly block_media?: boolean | undefined
  readonly block_fonts?: boolean | undefined
  readonly no_scroll?: boolean | undefined
}

export type ExtractionHook = {
  readonly hook_id: string
  readonly all_matches?: boolean | undefined
  readonly timeout_ms?: number | undefined
} & (
  | { readonly type: 'css'; readonly selector: string; readonly attribute?: string | undefined }
  | {
      readonly type: 'regex'
      readonly pattern: string
      readonly flags?: string | undefined
      readonly group?: number | undefined
    }
  | { readonly type: 'jsonpath'; readonly path: string }
)

export type JobAction =
  | { readonly action: 'click'; readonly selector: string; readonly timeout_ms?: number | undefined }
  | {
      readonly action: 'fill'
      readonly selector: string
      readonly value: string
      readonly timeout_ms?: number | undefined
    }
  | { readonly action: 'wait_for_selector'; readonly selector: string; readonly timeout_ms?: number | undefined }
  | { readonly action: 'wait_for_timeout'; readonly timeout_ms: number }
  | { readonly action: 'evaluate'; readonly script: string }
  | {
      readonly action: 'screenshot'
      readonly selector?: string | undefined
      readonly full_page?: boolean | undefined
      readonly filename?: string | undefined
    }
  | { readonly action: 'navigate'; readonly url: string; readonly wait_until?: WaitUntil | undefined }
