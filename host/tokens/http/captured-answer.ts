/** A handler's answer is held back until it is whole: to be sealed, or to be kept. */

import type { ServerResponse } from "node:http";
import type { Delivery } from "./deliveries.js";

/** The handler wrote more than is held back. */
export class AnswerTooLongError extends Error {
  constructor(bytes_max: number) {
    super(`The handler's answer is longer than the ${bytes_max} bytes that are held back to be sealed or kept.`);
    this.name = "AnswerTooLongError";
  }
}

export interface CapturedAnswer {
  readonly delivery: Promise<Delivery>;
  /** From now on the response is as it was. What the handler set in it is gone. */
  release(): void;
}

/** Headers that are about the bytes on the wire, which will be others. */
const OF_THE_WIRE: readonly string[] = ["content-length", "transfer-encoding", "connection", "date", "keep-alive"];

export function captureAnswer(response: ServerResponse, bytes_max: number): CapturedAnswer {
  const original = { writeHead: response.writeHead, write: response.write, end: response.end };
  const flushHeaders = response.flushHeaders;
  const parts: Buffer[] = [];
  let length = 0;
  let fail: (error: Error) => void = () => {};
  let done: (delivery: Delivery) => void = () => {};
  const delivery = new Promise<Delivery>((resolve, reject) => {
    done = resolve;
    fail = reject;
  });
  const take = (chunk: unknown, encoding: unknown) => {
    if (chunk === undefined || chunk === null || typeof chunk === "function") return;
    const name = typeof encoding === "string" && Buffer.isEncoding(encoding) ? encoding : "utf8";
    const bytes = typeof chunk === "string" ? Buffer.from(chunk, name) : Buffer.from(chunk as Uint8Array);
    length += bytes.length;
    if (length > bytes_max) fail(new AnswerTooLongError(bytes_max));
    else parts.push(bytes);
  };
  const called = (given: readonly unknown[]) => {
    const callback = given.find((each) => typeof each === "function");
    if (callback !== undefined) queueMicrotask(callback as () => void);
  };
  response.writeHead = ((status: number, ...rest: readonly unknown[]) => {
    response.statusCode = status;
    const headers = rest.find((each) => typeof each === "object" && each !== null) ?? {};
    const pairs = Array.isArray(headers) ? pairsOf(headers) : Object.entries(headers);
    for (const [name, value] of pairs) response.setHeader(name, value as string);
    return response;
  }) as typeof response.writeHead;
  response.write = ((...given: readonly unknown[]) => {
    take(given[0], given[1]);
    called(given);
    return true;
  }) as typeof response.write;
  response.end = ((...given: readonly unknown[]) => {
    take(given[0], given[1]);
    called(given);
    const headers = Object.entries(response.getHeaders()).flatMap(([name, value]) =>
      value === undefined || OF_THE_WIRE.includes(name)
        ? []
        : [[name, Array.isArray(value) ? value.map(String) : String(value)] as const],
    );
    done({
      status: response.statusCode,
      headers: Object.fromEntries(headers),
      body: new Uint8Array(Buffer.concat(parts)),
    });
    return response;
  }) as typeof response.end;
  response.flushHeaders = () => {};
  const release = () => {
    Object.assign(response, original, { flushHeaders });
    for (const name of response.getHeaderNames()) response.removeHeader(name);
  };
  return { delivery, release };
}

/** Node also takes headers as one flat list. */
function pairsOf(list: readonly unknown[]): [string, unknown][] {
  const pairs: [string, unknown][] = [];
  for (let i = 0; i + 1 < list.length; i += 2) pairs.push([String(list[i]), list[i + 1]]);
  return pairs;
}
