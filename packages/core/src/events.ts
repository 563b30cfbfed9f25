/**
 * The events of ScrapeNest as its documentation names them (docs.scrapenest.com/webhooks/events). What crosses the wire
 * keeps its wire name.
 */
export interface ScrapeNestEvents {
  'job.created': JobCreatedData
  'job.completed': JobCompletedData
  'artifact.ready': ArtifactReadyData
}

/** A job was accepted and queued. */
export interface JobCreatedData {
  readonly job_id: string
  /** `light`, `standard` or `stealth`; ScrapeNest's own sample says `http`, so the list is open. */
  readonly job_type: string
  readonly status: string
  readonly target_url: string
  /** ISO 8601, UTC. */
  readonly created_at: string
}

/** A job ended. There is no separate event for a failure: look at `status`. */
export type JobCompletedData = JobSucceededData | JobFailedData

export interface JobSucceededData {
  readonly job_id: string
  readonly status: 'succeeded'
  readonly artifact_count: number
  readonly duration_ms: number
  /** ISO 8601, UTC. */
  readonly completed_at: string
}

/** The job failed after all its own retries. */
export interface JobFailedData {
  readonly job_id: string
  readonly status: 'failed'
  /** For example `timeout`; the list is open. */
  readonly failure_reason: string
  readonly duration_ms: number
  /** ISO 8601, UTC. */
  readonly completed_at: string
}

/** One artifact of a job can be downloaded. */
export interface ArtifactReadyData {
  readonly job_id: string
  /** For example `html`, `screenshot`, `har`; the list is open. */
  readonly artifact_type: string
  /** Gives the bytes with a plain GET. It is a credential: whoever has it has the artifact. Keep it out of logs. */
  readonly download_url: string
}

/** The types of the catalogue as values, for what cannot be seen at run time. */
export const scrapeNestEventTypes: readonly EventType<ScrapeNestEvents>[] = [
  'job.created',
  'job.completed',
  'artifact.ready',
]

/**
 * The type of the events with which `scrapenest-webhooks doctor` examines a live server. Signed like any other, they are
 * acknowledged and go nowhere: to no handler, no hook, no store.
 */
export const probeEventType = 'scrapenest-webhooks.probe'

/** One verified event. `event_type` is a literal, so that a union of events narrows on it. */
export interface WebhookEvent<Type extends string = string, Data = unknown> {
  /** Unique per occurrence. Where the sender gave none, the signed `svix-id`. */
  readonly event_id: string
  readonly event_type: Type
  /** Version of the event's schema. Missing in some of ScrapeNest's samples. */
  readonly version?: string
  readonly schema_ref?: string
  /** When it happened: ISO 8601, UTC. */
  readonly occurred_at: string
  readonly org_id: string
  readonly org_slug: string
  readonly data: Data
}

/** The type names of a catalogue: an interface whose keys are event types and whose values are the shapes of `data`. */
export type EventType<Events extends object> = keyof Events & string

/** Every event of a catalogue, as a union discriminated by `event_type`. */
export type AnyEvent<Events extends object> = {
  [Type in EventType<Events>]: WebhookEvent<Type, Events[Type]>
}[EventType<Events>]

/** Every event of ScrapeNest that is known to this release. */
export type ScrapeNestEvent = AnyEvent<ScrapeNestEvents>

/** `'job.created'` gives `'job.*'`. A family is the part before the first full stop. */
type FamilyOf<Type extends string> = Type extends `${infer Family}.${string}` ? `${Family}.*` : never

/** What can be subscribed to: one type, one family, or every event of the catalogue. */
export type EventPattern<Events extends object> = EventType<Events> | FamilyOf<EventType<Events>> | '*'

/** The event, or union of events, that a pattern selects. Distributes over a union of patterns. */
export type EventOf<Events extends object, Pattern extends EventPattern<Events>> = Pattern extends '*'
  ? AnyEvent<Events>
  : Pattern extends `${infer Family}.*`
    ? Extract<AnyEvent<Events>, { readonly event_type: `${Family}.${string}` }>
    : Extract<AnyEvent<Events>, { readonly event_type: Pattern }>
