// An endpoint in Node's own http that does all it should. Prints its port.
'use strict';

const crypto = require('node:crypto');
const http = require('node:http');

const LIMIT_BYTES = 50 * 1024 * 1024;
const VERIFICATION_BYTES = 4096;

const digest = (text) => crypto.createHash('sha256').update(text, 'latin1').digest();
const expected = digest(process.env.TOKEN);
const isRight = (token) => crypto.timingSafeEqual(digest(token), expected);

function answer(response, status, body = '', headers = {}) {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', ...headers });
  response.end(body);
}

const refuse = (response) =>
  answer(response, 401, 'no', { 'www-authenticate': 'Bearer', connection: 'close' });

function verify(response, tokens, challenge) {
  if (!tokens.length || !tokens.every(isRight)) return refuse(response);
  return answer(response, 200, challenge, { 'x-content-type-options': 'nosniff' });
}

function readTokens(headers) {
  const bearer = /^bearer +(.*)$/i.exec(headers.authorization || '');
  return [headers['verification-token'], bearer && bearer[1]]
    .filter((token) => token !== undefined && token !== null);
}

function readVerification(body) {
  try {
    const payload = JSON.parse(body);
    const isTransmission = 'Meta' in payload || 'resourceType' in payload;
    return typeof payload.challenge === 'string' && !isTransmission ? payload : null;
  } catch {
    return null;
  }
}

function receive(response, tokens, body) {
  const payload = body.length <= VERIFICATION_BYTES ? readVerification(body) : null;
  if (payload) {
    const sent = payload['verification-token'];
    return verify(response, sent === undefined ? tokens : [String(sent)], payload.challenge);
  }
  return tokens.length ? answer(response, 200) : refuse(response);
}

const server = http.createServer((request, response) => {
  const query = new URLSearchParams(request.url.split('?')[1]);
  const tokens = readTokens(request.headers);
  if (request.method === 'GET' && query.has('challenge')) {
    const sent = [...tokens, ...query.getAll('verification-token')];
    return verify(response, sent, query.get('challenge'));
  }
  if (request.method !== 'POST') return answer(response, 405, '', { allow: 'GET, POST' });
  if (!tokens.every(isRight)) return refuse(response);
  const limit = tokens.length ? LIMIT_BYTES : VERIFICATION_BYTES;
  const tooLarge = () =>
    tokens.length ? answer(response, 413, '', { connection: 'close' }) : refuse(response);
  if (Number(request.headers['content-length'] || 0) > limit) return tooLarge();
  const chunks = [];
  let length = 0;
  request.on('data', (chunk) => {
    length += chunk.length;
    if (length > limit) {
      request.removeAllListeners('data').resume();
      if (!response.headersSent) tooLarge();
    } else {
      chunks.push(chunk);
    }
  });
  request.on('end', () => {
    if (!response.headersSent) receive(response, tokens, Buffer.concat(chunks));
  });
});

server.listen(0, '127.0.0.1', () => console.log(server.address().port));
