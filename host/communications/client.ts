/** The end of a line that connects, and connects again when the connection breaks. */

import { timingSafeEqual } from "node:crypto";
import { WebSocket } from "ws";
import type { RandomSource } from "../randomness.js";
import type { Timers } from "../services/clock.js";
import { lineAddress } from "./address.js";
import {
  LineBusyError,
  LineCertificateError,
  LineForgottenError,
  LineMisusedError,
  LineOpenError,
  LineRefusedError,
  LineUnreachableError,
  LineVersionError,
  NotTallystickError,
} from "./errors.js";
import {
  decodeFrame,
  encodeFrame,
  FrameVersionError,
  type HelloFrame,
  isPurpose,
  PURPOSE_CHARS_MAX,
} from "./frames.js";
import { LINE_LIMITS, Line, type LineLimits } from "./line.js";
import { IGNORED, SOCKET_OPTIONS, SOCKET_PROTOCOLS, SocketWire, type Wire } from "./wire.js";

export interface LineOptions {
  readonly timers: Timers;
  readonly random: RandomSource;
  readonly limits?: Partial<LineLimits>;
  /** From the first packet to the server's hello. */
  readonly connect_ms_max?: number;
  /** The connection broke, or is there again: for somebody's screen. */
  readonly onConnection?: (isThere: boolean) => void;
  /** The line is over, in good order or with its fault. */
  readonly onOver?: (fault: Error | undefined) => void;
}

const CONNECT_MS_MAX = 10_000;
const BACKOFF_MS_MIN = 100;
const BACKOFF_MS_MAX = 5_000;
/** What the status of an answer says that was no upgrade. */
const HTTP_UNAVAILABLE = 503;

/** Opens a line to a server, for a purpose that it serves. Throws a LineOpenError; then nothing was said to any device. */
export async function openLine(url: string, purpose: string, options: LineOptions): Promise<Line> {
  const address = lineAddress(url);
  if (!isPurpose(purpose)) throw new RangeError(`purpose: a word of at most ${PURPOSE_CHARS_MAX} letters`);
  const caller = new Caller(address, purpose, options);
  return caller.open();
}

/** Both ends have said hello. */
interface Greeted {
  readonly wire: Wire;
  readonly hello: HelloFrame & { readonly token: Uint8Array };
}

class Caller {
  readonly #url: URL;
  readonly #purpose: string;
  readonly #options: LineOptions;
  readonly #limits: LineLimits;
  #line!: Line;
  #attempts = 0;
  #progress = 0;
  #isThere = true;
  #cancelAttempt: (() => void) | undefined;
  /** Timers alone keep no process alive, but one whose line is to come back must not end. */
  #alive: NodeJS.Timeout | undefined;

  constructor(url: URL, purpose: string, options: LineOptions) {
    this.#url = url;
    this.#purpose = purpose;
    this.#options = options;
    this.#limits = { ...LINE_LIMITS, ...options.limits };
  }

  async open(): Promise<Line> {
    return new Promise((resolve, reject) => {
      this.#call(
        undefined,
        ({ wire, hello }) => {
          this.#line = new Line({
            timers: this.#options.timers,
            limits: this.#limits,
            token: hello.token,
            onDetached: () => this.#again(),
            onOver: () => {
              this.#over();
              this.#options.onOver?.(this.#line.fault);
            },
          });
          this.#line.attach(wire, hello.expected);
          resolve(this.#line);
        },
        reject,
      );
    });
  }

  // The next connection.

  #again(): void {
    this.#alive ??= setInterval(() => undefined, 2 ** 30);
    // A connection that brought nothing is as good as none: the pause grows until one does.
    if (this.#line.progress > this.#progress) this.#attempts = 0;
    this.#progress = this.#line.progress;
    if (this.#isThere) this.#options.onConnection?.(false);
    this.#isThere = false;
    this.#cancelAttempt = this.#options.timers.after(this.#backoff_ms(), () => {
      this.#call(
        this.#line.token,
        ({ wire, hello }) => this.#resumed(wire, hello.expected),
        (error) => this.#failed(error),
      );
    });
    this.#attempts += 1;
  }

  #resumed(wire: Wire, peerExpects: number): void {
    if (!this.#line.fits(peerExpects)) {
      wire.drop();
      this.#line.abandon(new LineMisusedError("the other side forgot what it had got"));
      return;
    }
    this.#rest();
    this.#isThere = true;
    this.#line.attach(wire, peerExpects);
    this.#options.onConnection?.(true);
  }

  #failed(error: LineOpenError): void {
    // Whatever stands between may answer in the server's place while it is away; only its own word counts.
    if (error instanceof LineVersionError) this.#line.abandon(error);
    else if (error instanceof LineRefusedError && error.reason === "unknown-line") {
      this.#line.abandon(new LineForgottenError());
    } else this.#again();
  }

  /** Doubled each time, up to a bound; between half of it and all, so that not all come back in the same moment. */
  #backoff_ms(): number {
    const most_ms = Math.min(BACKOFF_MS_MIN * 2 ** Math.min(this.#attempts, 16), BACKOFF_MS_MAX);
    const byte = new Uint8Array(1);
    this.#options.random.fill(byte);
    return Math.ceil((most_ms / 2) * (1 + (byte[0] ?? 0) / 256));
  }

  #rest(): void {
    clearInterval(this.#alive);
    this.#alive = undefined;
  }

  #over(): void {
    this.#rest();
    this.#cancelAttempt?.();
  }

  // One connection.

  /** Connects and says hello; exactly one of the two is told, once. */
  #call(token: Uint8Array | undefined, greeted: (by: Greeted) => void, failed: (error: LineOpenError) => void): void {
    const url = this.#url.href;
    const socket = new WebSocket(this.#url, [...SOCKET_PROTOCOLS], { ...SOCKET_OPTIONS });
    const wire = new SocketWire(socket, this.#options.timers);
    let isSettled = false;
    const settle = (): boolean => {
      if (isSettled) return false;
      isSettled = true;
      cancelDeadline();
      wire.listen(IGNORED);
      return true;
    };
    const fail = (error: LineOpenError) => {
      if (!settle()) return;
      wire.drop();
      failed(error);
    };
    const within_ms = this.#options.connect_ms_max ?? CONNECT_MS_MAX;
    const cancelDeadline = this.#options.timers.after(within_ms, () =>
      fail(new LineUnreachableError(url, `no answer within ${Math.round(within_ms / 1000)} seconds`)),
    );
    this.#cancelAttempt = () => {
      if (settle()) wire.drop();
    };
    socket.once("open", () => {
      const expected = token === undefined ? 0 : this.#line.expected;
      wire.send(encodeFrame({ kind: "hello", token, expected, purpose: this.#purpose }));
    });
    socket.once("unexpected-response", (request, response) => {
      const status = response.statusCode ?? 0;
      request.destroy();
      fail(
        status === HTTP_UNAVAILABLE
          ? new LineBusyError(url)
          : new NotTallystickError(url, `it answered HTTP ${status}`),
      );
    });
    socket.once("error", (error) => fail(openError(url, error)));
    wire.listen({
      ...IGNORED,
      frame: (bytes) => {
        const answer = this.#answerOf(bytes, token);
        if (answer instanceof LineOpenError) fail(answer);
        else if (settle()) greeted({ wire, hello: answer });
      },
      gone: () => fail(new LineUnreachableError(url, "it closed the connection")),
    });
  }

  /** The server's first frame: the hello of the line that was asked for, or what keeps it from being opened. */
  #answerOf(bytes: Uint8Array, token: Uint8Array | undefined): Greeted["hello"] | LineOpenError {
    const url = this.#url.href;
    try {
      const frame = decodeFrame(bytes);
      if (frame.kind === "refused") {
        if (frame.reason === "version") return new LineVersionError(url);
        if (frame.reason === "busy") return new LineBusyError(url);
        return new LineRefusedError(url, frame.reason, this.#purpose);
      }
      if (frame.kind === "hello" && frame.token !== undefined) {
        const isNew = token === undefined && frame.expected === 0;
        if (isNew || (token !== undefined && timingSafeEqual(frame.token, token))) {
          return { ...frame, token: frame.token };
        }
      }
      return new NotTallystickError(url, "it answered what was not asked");
    } catch (error) {
      if (error instanceof FrameVersionError) return new LineVersionError(url);
      return new NotTallystickError(url, "it answered with something unreadable");
    }
  }
}

/** What an error of the socket means for whoever wants to open a line. */
export function openError(url: string, error: Error): LineOpenError {
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  if (/CERT|SELF_SIGNED|UNABLE_TO|CRL/.test(code)) return new LineCertificateError(url, code);
  if (/SSL|EPROTO/.test(code)) return new NotTallystickError(url, "it does not speak TLS as wss:// does");
  if (code === "" || /^(HPE_|WS_ERR)/.test(code)) {
    return new NotTallystickError(url, "it does not speak WebSocket as a line does");
  }
  return new LineUnreachableError(url, code === "ECONNRESET" ? "it hung up" : code);
}
