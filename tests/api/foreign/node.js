// The package "xmlrpc" of npm, which most programs for Node use.
const readline = require('readline')
const xmlrpc = require('xmlrpc')

const address = new URL(process.argv[2])
const client = xmlrpc.createClient({ host: address.hostname, port: Number(address.port), path: address.pathname })
let last = Promise.resolve()

function call (line) {
  const { method, arguments: given } = JSON.parse(line)
  return new Promise((resolve) => {
    client.methodCall(method, given.map(([, value]) => value), (error, answer) => {
      const said = error ? { fault: [error.faultCode, error.faultString || String(error)] } : { answer }
      process.stdout.write(JSON.stringify(said) + '\n', resolve)
    })
  })
}

readline.createInterface({ input: process.stdin }).on('line', (line) => { last = last.then(() => call(line)) })
