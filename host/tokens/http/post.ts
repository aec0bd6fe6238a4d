/** Asking an issuer or a seller of token halves over HTTP: bytes there, bytes back, or a refusal. */

import { systemTimers } from "../../services/clock.js";
import { isTokenErrorCode, TokenError } from "../errors.js";

export interface PostOptions {
  /** How long an answer may take, from the first byte sent to the last one read. */
  readonly answer_ms_max: number;
  readonly answerBytes_max: number;
}

/** What a server says of a refusal is shown to people: no more of it than this, and no control characters. */
const MESSAGE_CHARS_MAX = 500;
const REFUSAL_BYTES_MAX = 8_192;

/** TokenError: the refusal, or `unreachable` where there is no answer. Whether anything was done is then not known. */
export async function post(url: string, body: Uint8Array, options: PostOptions): Promise<Uint8Array> {
  const { answer_ms_max, answerBytes_max } = options;
  const limit = new AbortController();
  const cancel = systemTimers.after(answer_ms_max, () => limit.abort(new Error("the answer took too long")));
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/cbor" },
      body: body as Uint8Array<ArrayBuffer>,
      signal: limit.signal,
      redirect: "error",
    });
    const answer = await readAtMost(response, response.ok ? answerBytes_max : REFUSAL_BYTES_MAX, limit.signal);
    if (response.ok) return answer;
    throw refusalOf(answer) ?? unreachable(new Error(`status ${response.status}`));
  } catch (error) {
    if (error instanceof TokenError) throw error;
    throw unreachable(error);
  } finally {
    cancel();
  }
}

/** Ends with `signal`: that of a fetch whose head has come does not always reach the body. */
async function readAtMost(response: Response, bytes_max: number, signal: AbortSignal): Promise<Uint8Array> {
  const reader = response.body?.getReader();
  if (reader === undefined) return new Uint8Array(0);
  const end = () => void reader.cancel().catch(() => {}); // It is read no more, whatever becomes of it.
  signal.addEventListener("abort", end);
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      signal.throwIfAborted();
      if (done) return new Uint8Array(Buffer.concat(parts));
      length += value.length;
      if (length > bytes_max) throw new Error(`an answer of more than ${bytes_max} bytes`);
      parts.push(value);
    }
  } finally {
    signal.removeEventListener("abort", end);
    end();
  }
}

function refusalOf(answer: Uint8Array): TokenError | undefined {
  let said: unknown;
  try {
    said = JSON.parse(new TextDecoder().decode(answer));
  } catch {
    return undefined;
  }
  if (typeof said !== "object" || said === null) return undefined;
  const { code, message } = said as { readonly code?: unknown; readonly message?: unknown };
  if (typeof code !== "string" || !isTokenErrorCode(code) || typeof message !== "string") return undefined;
  return new TokenError(code, message.slice(0, MESSAGE_CHARS_MAX).replace(/[\p{Cc}\p{Cf}]/gu, " "));
}

function unreachable(cause: unknown): TokenError {
  return new TokenError(
    "unreachable",
    "There was no answer that can be used. Whether it was done is not known, and it is done once at most: ask the same again.",
    { cause },
  );
}
