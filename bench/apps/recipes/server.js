// Two seconds to start; GET / answers with the pid. What it does on SIGTERM is in docs/recipes.md.
const http = require('node:http');
const ready = require('./ready');
const stop = require('./stop');

const server = http.createServer((request, response) => setTimeout(() => {
  const body = `${process.pid}\n`;
  response.writeHead(200, { 'Content-Length': body.length }).end(body);
}, 10));
setTimeout(() => server.listen(Number(process.env.PORT), '127.0.0.1', ready), 2000);
stop(server);
