/** A handler's answer is held back until it is whole: to be sealed, or to be kept. */

import { ServerResponse } from "node:http";
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
  /** Something else is sent in it, at once, while the handler goes on: what it writes is held back as before. */
  aside(send: () => void): void;
}

/** Headers that are about the bytes on the wire, which will be others. */
const OF_THE_WIRE: readonly string[] = ["content-length", "transfer-encoding", "connection", "date", "keep-alive"];
/** Of a response, all that is about its headers. */
const HEADER_METHODS = [
  "setHeader",
  "setHeaders",
  "appendHeader",
  "getHeader",
  "getHeaders",
  "getHeaderNames",
  "hasHeader",
  "removeHeader",
] as const;

/** Runs a handler on the response. Nothing that it does there reaches the wire: it may be answered without it meanwhile. */
export function captureAnswer(response: ServerResponse, bytes_max: number, run: () => void): CapturedAnswer {
  const before = Object.getOwnPropertyDescriptors(response) as PropertyDescriptorMap;
  // Has the headers and the status, and is never sent.
  const held = new ServerResponse(response.req);
  for (const [name, value] of Object.entries(response.getHeaders()))
    if (value !== undefined) held.setHeader(name, value);
  held.statusCode = response.statusCode;
  const parts: Buffer[] = [];
  let length = 0;
  let isBegun = false;
  let fail: (error: unknown) => void = () => {};
  let done: (delivery: Delivery) => void = () => {};
  const delivery = new Promise<Delivery>((resolve, reject) => {
    done = resolve;
    fail = reject;
  });
  const take = (chunk: unknown, encoding: unknown) => {
    isBegun = true;
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
  const methods = {
    writeHead(status: number, ...rest: readonly unknown[]) {
      isBegun = true;
      held.statusCode = status;
      const headers = rest.find((each) => typeof each === "object" && each !== null) ?? {};
      const pairs = Array.isArray(headers) ? pairsOf(headers) : Object.entries(headers);
      for (const [name, value] of pairs) held.setHeader(name, value as string);
      return response;
    },
    write(...given: readonly unknown[]) {
      take(given[0], given[1]);
      called(given);
      return true;
    },
    end(...given: readonly unknown[]) {
      take(given[0], given[1]);
      called(given);
      const headers = Object.entries(held.getHeaders()).flatMap(([name, value]) =>
        value === undefined || OF_THE_WIRE.includes(name)
          ? []
          : [[name, Array.isArray(value) ? value.map(String) : String(value)] as const],
      );
      const body = new Uint8Array(Buffer.concat(parts));
      done({ status: held.statusCode, headers: Object.fromEntries(headers), body });
      return response;
    },
    flushHeaders() {
      isBegun = true;
    },
    destroy(error?: Error) {
      fail(error ?? new Error("the handler broke its answer off"));
      return response;
    },
  };
  const mask: PropertyDescriptorMap = {
    statusCode: {
      get: () => held.statusCode,
      set(status: number) {
        held.statusCode = status;
      },
    },
    headersSent: { get: () => isBegun },
  };
  for (const [name, value] of Object.entries(methods)) mask[name] = { value, writable: true };
  for (const name of HEADER_METHODS) {
    const method = held[name] as (...given: unknown[]) => unknown;
    const value = (...given: unknown[]) => {
      const answer = method.apply(held, given);
      return answer === held ? response : answer;
    };
    mask[name] = { value, writable: true };
  }
  const hold = () => {
    for (const [name, property] of Object.entries(mask))
      Object.defineProperty(response, name, { ...property, configurable: true });
  };
  const release = () => {
    for (const name of Object.keys(mask)) {
      const own = before[name];
      if (own === undefined) Reflect.deleteProperty(response, name);
      else Object.defineProperty(response, name, own);
    }
  };
  hold();
  try {
    run();
  } catch (error) {
    fail(error);
  }
  return {
    delivery,
    release() {
      release();
      for (const name of response.getHeaderNames()) response.removeHeader(name);
    },
    aside(send) {
      release();
      send();
      hold();
    },
  };
}

/** Node also takes headers as one flat list. */
function pairsOf(list: readonly unknown[]): [string, unknown][] {
  const pairs: [string, unknown][] = [];
  for (let i = 0; i + 1 < list.length; i += 2) pairs.push([String(list[i]), list[i + 1]]);
  return pairs;
}
