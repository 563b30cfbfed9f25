import type { Endpoint } from '../delivery/endpoint.ts'
import type { Sender } from '../delivery/sender.ts'
import type { ArtifactStore } from '../jobs/artifact-store.ts'
import type { Jobs } from '../jobs/jobs.ts'

/** The state that the API reads and changes. */
export interface ApiState {
  readonly endpoints: Map<string, Endpoint>
  readonly sender: Sender
  readonly jobs: Jobs
  readonly artifacts: ArtifactStore
  readonly rotationOverlapMs: number
}
