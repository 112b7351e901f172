// Pitfalls 4, 5, 12 and 15 in Node's own http, as they are written by hand: unequal
// lengths throw in timingSafeEqual, the body is parsed first, and success is 201.
'use strict';

const crypto = require('node:crypto');
const http = require('node:http');

const { TOKEN } = process.env;

function handle(request, body) {
  const url = new URL(request.url, 'http://localhost');
  const token = request.headers['verification-token'] || '';
  if (request.method === 'GET') {
    return token === TOKEN ? [200, url.searchParams.get('challenge') || ''] : [401, 'no'];
  }
  const payload = JSON.parse(body);
  if (payload['verification-token'] === TOKEN) return [200, payload.challenge];
  if (!crypto.timingSafeEqual(Buffer.from(token), Buffer.from(TOKEN))) return [401, 'no'];
  return [201, ''];
}

const server = http.createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    let answer;
    try {
      answer = handle(request, Buffer.concat(chunks));
    } catch (error) {
      answer = [500, String(error)];
    }
    response.writeHead(answer[0], { 'content-type': 'text/plain' });
    response.end(answer[1]);
  });
});

server.listen(0, '127.0.0.1', () => console.log(server.address().port));
