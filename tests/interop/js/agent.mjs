// Runs MQTT.js clients on behalf of the test driver.
// In: one order a line on stdin, as JSON. Out: answers and events, one a line on stdout.
// It ends when stdin ends. Deliberately absent: any judgement; the driver decides what is right.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'

// The modules do not lie beside this file: the source tree stays clean.
const mqtt = createRequire(`${process.argv[2]}/`)('mqtt')

const PROTOCOLS = {
  3.1: { protocolId: 'MQIsdp', protocolVersion: 3 },
  '3.1.1': { protocolId: 'MQTT', protocolVersion: 4 },
  5: { protocolId: 'MQTT', protocolVersion: 5 },
}
const PAYLOAD_SHOWN = 65536

const clients = new Map()

function say(body) {
  process.stdout.write(JSON.stringify(body) + '\n')
}

function translate(options) {
  const { will } = options
  return {
    protocol: options.endpoint.scheme === 'tcp' ? 'mqtt' : options.endpoint.scheme,
    host: options.endpoint.host,
    port: options.endpoint.port,
    path: options.endpoint.path || undefined,
    ca: options.endpoint.ca ? readFileSync(options.endpoint.ca) : undefined,
    ...PROTOCOLS[options.version],
    clientId: options.client_id,
    clean: options.clean,
    keepalive: options.keep_alive,
    username: options.user_name ?? undefined,
    password: options.password ?? undefined,
    reconnectPeriod: options.reconnect ? 50 : 0,
    connectTimeout: 15000,
    // The session is the broker's business here, so the library must not subscribe by itself.
    resubscribe: false,
    will: will
      ? {
          topic: will.topic,
          payload: Buffer.from(will.payload, 'base64'),
          qos: will.qos,
          retain: will.retain,
        }
      : undefined,
  }
}

function connect(name, { options }, done) {
  const known = clients.get(name)
  if (known) {
    known.reconnect()
    done(null)
    return
  }
  const client = mqtt.connect(translate(options))
  clients.set(name, client)
  const connack = (reason, sessionPresent) =>
    say({ client: name, event: 'connack', reason, sessionPresent })
  client.on('connect', (packet) => connack('', Boolean(packet.sessionPresent)))
  client.on('error', (error) => connack(`${error.message} (code ${error.code})`, false))
  client.on('close', () => say({ client: name, event: 'close' }))
  client.on('message', (topic, payload, packet) =>
    say({
      client: name,
      event: 'message',
      topic,
      payload: payload.length <= PAYLOAD_SHOWN ? payload.toString('base64') : '',
      size: payload.length,
      digest: createHash('sha256').update(payload).digest('hex'),
      qos: packet.qos,
      retain: packet.retain,
    }),
  )
  done(null)
}

const operations = {
  connect,
  subscribe(name, { filters, qos }, done) {
    clients.get(name).subscribe(filters, { qos }, (error, granted) =>
      done(error, granted?.map((one) => one.qos)),
    )
  },
  unsubscribe(name, order, done) {
    clients.get(name).unsubscribe(order.filter, (error) => done(error))
  },
  publish(name, { topic, payload, qos, retain }, done) {
    const body = Buffer.from(payload, 'base64')
    clients.get(name).publish(topic, body, { qos, retain }, (error) => done(error))
  },
  end(name, { force }, done) {
    const client = clients.get(name)
    if (client) client.end(force, () => done(null))
    else done(null)
  },
}

createInterface({ input: process.stdin, crlfDelay: Infinity })
  .on('line', (line) => {
    const order = JSON.parse(line)
    const done = (error, value) =>
      say(error ? { id: order.id, error: String(error.message ?? error) } : { id: order.id, value })
    try {
      operations[order.op](order.client, order, done)
    } catch (error) {
      done(error)
    }
  })
  .on('close', () => process.exit(0))
