/** Bodies and refusals over HTTP, for sellers and issuers of token halves and for who asks them. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { TokenError, type TokenErrorCode } from "../errors.js";

/** What a code is as an HTTP status; 400 for the others. */
const STATUSES: Partial<Record<TokenErrorCode, number>> = {
  "not-authentic": 403,
  "not-proved": 403,
  "unknown-purse": 404,
  "unknown-issuer": 404,
  "unknown-seller": 404,
  waiting: 409,
  "half-spent": 409,
  "wrong-order": 409,
  "purse-expired": 410,
  "purse-recalled": 410,
  "purse-closed": 410,
  "order-over": 410,
  "not-written": 503,
  unreachable: 502,
};

/** Somebody sent more than anybody may. */
export class BodyTooLongError extends Error {
  constructor(bytes_max: number) {
    super(`A body here has at most ${bytes_max} bytes. Nothing was done.`);
    this.name = "BodyTooLongError";
  }
}

/** More is on its way from everybody together than is taken at one moment. */
export class TooMuchArrivesError extends Error {
  constructor() {
    super("Too much comes at once. Nothing was done. Send the same again in a moment.");
    this.name = "TooMuchArrivesError";
  }
}

/** Bodies that are on their way at one moment: what each may become counts from its first byte until it is read. */
export class ArrivingBodies {
  readonly #bytes_max: number;
  #bytes = 0;

  constructor(bytes_max: number) {
    this.#bytes_max = bytes_max;
  }

  /** As `readBody`. Nothing is read of what is too much. */
  async read(request: IncomingMessage, bytes_max: number): Promise<Uint8Array> {
    const announced = Number(request.headers["content-length"]);
    if (announced > bytes_max) throw new BodyTooLongError(bytes_max);
    const bytes = Number.isSafeInteger(announced) ? announced : bytes_max;
    if (this.#bytes + bytes > this.#bytes_max) throw new TooMuchArrivesError();
    this.#bytes += bytes;
    try {
      return await readBody(request, bytes_max);
    } finally {
      this.#bytes -= bytes;
    }
  }
}

/** The body, of at most `bytes_max`. How long it may take is for the server's `requestTimeout`. */
export async function readBody(request: IncomingMessage, bytes_max: number): Promise<Uint8Array> {
  if (Number(request.headers["content-length"] ?? 0) > bytes_max) throw new BodyTooLongError(bytes_max);
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > bytes_max) throw new BodyTooLongError(bytes_max);
    parts.push(part);
  }
  return new Uint8Array(Buffer.concat(parts));
}

export function sendBytes(response: ServerResponse, bytes: Uint8Array): void {
  response.writeHead(200, { "content-type": "application/octet-stream", "cache-control": "no-store" });
  response.end(bytes);
}

export function sendJson(
  response: ServerResponse,
  status: number,
  document: object,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store", ...headers });
  response.end(JSON.stringify(document, (_key, value) => (typeof value === "bigint" ? value.toString() : value)));
}

/** A refusal as `{ code, message }`. What is not a refusal says nothing of itself to strangers. */
export function sendRefusal(
  response: ServerResponse,
  error: unknown,
  headers?: Readonly<Record<string, string>>,
): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  if (error instanceof TokenError) {
    const { code, message } = error;
    sendJson(response, STATUSES[code] ?? 400, { code, message }, headers);
  } else if (error instanceof BodyTooLongError || error instanceof TooMuchArrivesError) {
    // What is not read is not waited for: the connection ends with the answer.
    const status = error instanceof BodyTooLongError ? 413 : 503;
    sendJson(response, status, { code: "malformed", message: error.message }, { connection: "close" });
    response.once("finish", () => response.req.destroy());
  } else
    sendJson(response, 500, {
      code: "failed",
      message: "The server failed. Whether it did what was asked is not known: ask the same again.",
    });
}
