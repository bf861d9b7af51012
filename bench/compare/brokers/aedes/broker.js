// aedes as its documentation starts it, with its own in-memory parts. Arguments: port.
import { createServer } from 'node:net'
import { Aedes } from 'aedes'

const broker = await Aedes.createBroker({ concurrency: 1000, queueLimit: 1000000, maxClientsIdLength: 64, heartbeatInterval: 3600000 })
const server = createServer({ noDelay: true }, broker.handle)
server.listen(Number(process.argv[2]), '127.0.0.1')
