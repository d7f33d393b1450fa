// Sends a few events with each official SDK; prints what each gave as JSON. Arguments: the API's address, a write key.
import { createRequire } from 'node:module'

const require = createRequire(process.cwd() + '/package.json')
const { PostHog } = require('posthog-node')
const { Analytics } = require('@segment/analytics-node')
const Rudder = require('@rudderstack/rudder-sdk-node')
const [host, key] = process.argv.slice(2)

async function posthog(name, mode) {
  const errors = []
  process.env.POSTHOG_CAPTURE_MODE = mode
  const client = new PostHog(key, { host, flushAt: 2, flushInterval: 50 })
  client.on('error', (error) => errors.push(String(error)))
  for (const index of [0, 1, 2]) {
    client.capture({ distinctId: name, event: `${name} event`, properties: { index, client: name } })
  }
  client.identify({ distinctId: name, properties: { plan: 'pro' } })
  client.alias({ distinctId: name, alias: `${name}-alias` })
  client.groupIdentify({ groupType: 'company', groupKey: 'acme', properties: { size: 3 }, distinctId: name })
  const flag = await client.isFeatureEnabled('unknown', name)
  await client.shutdown()
  return { errors, flag: flag ?? null }
}

async function segment(name) {
  const errors = []
  const client = new Analytics({ writeKey: key, host, maxEventsInBatch: 3 })
  client.on('error', (error) => errors.push(String(error.reason ?? error.code)))
  client.track({ userId: name, event: `${name} event`, properties: { client: name } })
  client.track({ userId: name, event: 'Order Completed', properties: { order_id: 'o-1', total: 20, currency: 'INR' } })
  client.identify({ userId: name, anonymousId: `${name}-before`, traits: { plan: 'pro' } })
  client.page({ userId: name, name: 'Home', properties: { url: 'https://example.com/?a=1', path: '/' } })
  client.screen({ userId: name, name: 'Start' })
  client.group({ userId: name, groupId: 'acme', traits: { size: 3 } })
  client.alias({ userId: name, previousId: `${name}-old` })
  await client.closeAndFlush()
  return { errors }
}

async function rudder(name) {
  const errors = []
  const client = new Rudder(key, { dataPlaneUrl: host, flushAt: 3, errorHandler: (error) => errors.push(String(error)) })
  client.track({ userId: name, event: `${name} event`, properties: { client: name } })
  client.identify({ userId: name, traits: { plan: 'pro' } })
  client.page({ userId: name, name: 'Home', properties: { url: 'https://example.com/', path: '/' } })
  await client.flush()
  return { errors }
}

const sent = {
  'node-v0': await posthog('node-v0', 'v0'),
  'node-v1': await posthog('node-v1', 'v1'),
  'node-segment': await segment('node-segment'),
  'node-rudder': await rudder('node-rudder'),
}
console.log(JSON.stringify(sent))
