export * from './conformance/index.ts'
export { deliver, generateSecret, type SignDeliveryOptions, type SignedDelivery, signDelivery } from './deliveries.ts'
export { createEvent } from './events.ts'
export { type FakeClock, fakeClock } from './fake-clock.ts'
