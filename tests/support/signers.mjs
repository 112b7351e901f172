// Signs requests with the two signers of Node and sends them. Reads a list of jobs as
// JSON from standard input, and writes the list of answers' statuses.

import { createHash, createHmac } from "node:crypto";
import { Agent, request } from "node:http";
import { text } from "node:stream/consumers";
import { SignatureV4 } from "@smithy/signature-v4";
import aws4 from "aws4";

class Sha256 {
  constructor(secret) {
    this.hash = secret ? createHmac("sha256", secret) : createHash("sha256");
  }
  update(data) {
    this.hash.update(data);
  }
  async digest() {
    return this.hash.digest();
  }
}

const encode = (value) =>
  encodeURIComponent(value).replace(/[!'()*]/g, (c) => "%" + c.charCodeAt(0).toString(16).toUpperCase());

function readQuery(text) {
  const query = {};
  for (const [name, value] of new URLSearchParams(text)) (query[name] ??= []).push(value);
  return query;
}

function writeQuery(query) {
  const pairs = Object.entries(query).flatMap(([name, values]) => values.map((v) => `${encode(name)}=${encode(v)}`));
  return pairs.length ? "?" + pairs.join("&") : "";
}

const sign = {
  aws4(job, body) {
    const credentials = {
      accessKeyId: job.accessKey,
      secretAccessKey: job.secret,
      sessionToken: job.token ?? undefined,
    };
    const { service, region, host, headers } = job;
    return aws4.sign({ method: "POST", path: job.target, service, region, host, headers, body }, credentials);
  },
  async smithy(job, body) {
    const signer = new SignatureV4({
      credentials: {
        accessKeyId: job.accessKey,
        secretAccessKey: job.secret,
        sessionToken: job.token ?? undefined,
      },
      region: job.region,
      service: job.service,
      sha256: Sha256,
      uriEscapePath: job.service !== "s3",
    });
    const [path, queryText] = job.target.split("?");
    const query = readQuery(queryText ?? "");
    const headers = { host: job.host, ...job.headers };
    const signed = await signer.sign({
      method: "POST", protocol: "https:", hostname: job.host, path, query, headers, body,
    });
    return { path: path + writeQuery(query), headers: signed.headers };
  },
};

const alterations = {
  path: (message) => ({ ...message, path: message.path.replace("/", "/x") }),
  query: (message) => ({ ...message, path: message.path + (message.path.includes("?") ? "&x=" : "?x=") }),
  header: (message) => ({ ...message, headers: { ...message.headers, "x-amz-meta": "altered" } }),
  body: (message) => {
    const body = Buffer.from(message.body);
    body[body.length - 3] ^= 1;
    return { ...message, body };
  },
};

function send(port, { path, headers, body }) {
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port, method: "POST", path, headers, agent: new Agent() };
    const call = request(options, (answer) => {
      answer.resume();
      answer.on("end", () => resolve(answer.statusCode));
    });
    call.on("error", reject);
    call.end(body);
  });
}

const { port, jobs } = JSON.parse(await text(process.stdin));
const statuses = [];
for (const job of jobs) {
  const body = `{"text":"${"é\\u00e9 ".repeat(Math.ceil(job.bytes / 9))}"}`;
  const { path, headers } = await sign[job.signer](job, body);
  const message = { path, headers: { ...headers, "content-length": Buffer.byteLength(body) }, body };
  statuses.push(await send(port, job.alter ? alterations[job.alter](message) : message));
}
console.log(JSON.stringify(statuses));
