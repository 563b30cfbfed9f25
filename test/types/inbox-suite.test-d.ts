// The contract of an inbox as the suite in `testing` has it, and as `inbox` tells it: `testing` does not import it.
import type {
  FinalState,
  Inbox,
  InboxCapabilities,
  InboxFilter,
  InboxOptions,
  InboxState,
  InboxStats,
} from '@scrapenest-webhooks/inbox'
import type {
  InboxCheckOptions,
  InboxUnderTest,
  InboxUnderTestCapabilities,
  InboxUnderTestFilter,
  InboxUnderTestState,
  InboxUnderTestStats,
} from '@scrapenest-webhooks/testing'
import { expectTypeOf } from 'vitest'

// Each inbox can be put under test, and can be opened with what the checks open it with.
expectTypeOf<Inbox>().toExtend<InboxUnderTest>()
expectTypeOf<InboxCheckOptions>().toExtend<InboxOptions>()

// What one side has, the other has too.
expectTypeOf<InboxUnderTestCapabilities>().toEqualTypeOf<InboxCapabilities>()
expectTypeOf<keyof InboxUnderTestFilter>().toEqualTypeOf<keyof InboxFilter>()
expectTypeOf<InboxUnderTestState>().toEqualTypeOf<InboxState>()
expectTypeOf<InboxUnderTestCapabilities['replayableStates'][number]>().toEqualTypeOf<FinalState>()
expectTypeOf<keyof InboxUnderTestStats>().toEqualTypeOf<keyof InboxStats>()
