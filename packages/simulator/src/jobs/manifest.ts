import { describeArtifact } from './artifact-store.ts'
import { simulatorUserAgent, type TargetResponse } from './fetch-target.ts'
import { describeBlock, type Job } from './job.ts'
import { simulatedNote } from './produce-artifacts.ts'

/** Only the weight of `stealth` is documented. We chose the others. */
const creditWeights: Readonly<Record<string, number>> = { light: 1, standard: 10, stealth: 30 }

/** Creates the manifest of a finished job, as JSON: what was requested, what happened, and what it cost. */
export function createManifest(
  job: Job,
  {
    startedAt,
    completedAt,
    target,
  }: { readonly startedAt: Date; readonly completedAt: Date; readonly target: TargetResponse | undefined },
): string {
  const { job_type, target_url, user_agent = simulatorUserAgent, proxy, ...request } = job.request
  const weight = creditWeights[job_type] ?? 1
  const charged = job.outcome === 'success'
  const manifest = {
    manifest_version: '1.0.0',
    simulated: true,
    note: simulatedNote,
    job_id: job.id,
    engine: job_type,
    target_url,
    final_url: target?.finalUrl ?? null,
    status: job.status === 'failed' ? 'failed' : 'completed',
    outcome: job.outcome,
    block: describeBlock(job),
    response: target === undefined ? null : { http_status: target.status, headers: target.headers },
    timing: {
      started_at: startedAt.toISOString(),
      finished_at: completedAt.toISOString(),
      duration_ms: completedAt.getTime() - startedAt.getTime(),
    },
    user_agent,
    retry_count: 0,
    request,
    credits: { weight, charged, amount: charged ? weight : 0 },
    egress: { mode: proxy === undefined ? 'managed' : 'custom' },
    artifacts: job.artifacts.map((artifact) => describeArtifact(artifact)),
  }
  return JSON.stringify(manifest, null, 2)
}
