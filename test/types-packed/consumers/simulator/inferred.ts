// Exports with inferred types, in an application whose only package of ours is the simulator.
import {
  eventBody,
  faults,
  isLocalHost,
  sampleEvent,
  sendDelivery,
  signedHeaders,
  startSimulator,
} from '@scrapenest-webhooks/simulator'

export const starting = startSimulator({ faults: { duplicate: 0.2 }, speed: 60 })
export const start = startSimulator
export const messages = async () => (await starting).messages
export const firstAttempt = async () => (await starting).messages[0]?.attempts[0]
export const endpoint = async () => (await starting).register({ url: 'http://127.0.0.1:3000/webhooks/scrapenest' })
export const secretOf = async () => (await endpoint()).secret
export const methods = async () => {
  const { register, send, setFaults, idle, close } = await starting
  return { register, send, setFaults, idle, close }
}
export const kit = { eventBody, faults, isLocalHost, sampleEvent, sendDelivery, signedHeaders }
