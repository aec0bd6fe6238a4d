/** The ESP32-S3's program: reports on standard input and output (fakes/usb.c), and hosts on them, each of which hears all of them. */

import { join } from "node:path";
import { REPORT_BYTES } from "../../firmware/usb/ctaphid.js";
import { BoardGone, type BoardStart } from "../hardware/board.js";
import { writeClock } from "../hardware/posix-board.js";
import { Line } from "../usb/port.js";
import { type Program, startProgram, stopProgram } from "./serial-board.js";

const KIND_REPORT = 0;
const KIND_RESET = 1;
const KIND_DEAF = 2;
const KIND_FETCHING = 3;
/** Longer than any answer takes. */
const HEAR_MS_MAX = 20_000;

export class UsbBoard {
  readonly #child: Program;
  readonly #folder: string;
  readonly #lines: Line[] = [];
  #received = Buffer.alloc(0);

  private constructor(child: Program, folder: string) {
    this.#child = child;
    this.#folder = folder;
    child.stdout.on("data", (bytes: Buffer) => this.#take(bytes));
    child.stdin.on("error", () => this.#gone());
    child.stdout.on("close", () => this.#gone());
  }

  /** `slow_ms`: how long each programming of its flash takes. */
  static async start(program: string, start: BoardStart, slow_ms = 0): Promise<UsbBoard> {
    const more = slow_ms === 0 ? [] : ["--slow", String(slow_ms)];
    return new UsbBoard(await startProgram(program, start, more), start.folder);
  }

  /** One more program of the host. */
  line(): Line {
    const line = new Line((report) => this.#write(KIND_REPORT, report));
    this.#lines.push(line);
    return line;
  }

  resetBus(): void {
    this.#write(KIND_RESET, new Uint8Array(REPORT_BYTES));
  }

  /** Whether the host fetches what the device has for it. */
  setFetching(isFetching: boolean): void {
    this.#write(isFetching ? KIND_FETCHING : KIND_DEAF, new Uint8Array(REPORT_BYTES));
  }

  setClock(now_ms: number): void {
    writeClock(join(this.#folder, "clock"), now_ms);
  }

  stop(how: "end" | "kill"): Promise<void> {
    return stopProgram(this.#child, how);
  }

  #write(kind: number, report: Uint8Array): void {
    this.#child.stdin.write(Buffer.concat([Uint8Array.of(kind), report]));
  }

  #take(bytes: Buffer): void {
    this.#received = Buffer.concat([this.#received, bytes]);
    while (this.#received.length >= REPORT_BYTES) {
      const report = new Uint8Array(this.#received.subarray(0, REPORT_BYTES));
      this.#received = this.#received.subarray(REPORT_BYTES);
      for (const line of this.#lines) line.onReport?.(report);
    }
  }

  #gone(): void {
    for (const line of this.#lines) line.onFailure?.(new Error("the device is gone"));
  }
}

/** Reports by hand, and all that the device says. */
export class RawHost {
  readonly #line: Line;
  readonly #heard: Uint8Array[] = [];
  #wake: () => void = () => undefined;

  constructor(board: UsbBoard) {
    this.#line = board.line();
    this.#line.onReport = (report) => {
      this.#heard.push(report);
      this.#wake();
    };
  }

  say(...reports: readonly Uint8Array[]): void {
    for (const report of reports) this.#line.write(report);
  }

  /** The next reports, keepalives among them only if they are asked for. */
  async hear(count: number, withKeepalives = false): Promise<Uint8Array[]> {
    const heard: Uint8Array[] = [];
    const timer = setTimeout(() => this.#wake(), HEAR_MS_MAX);
    const until_ms = performance.now() + HEAR_MS_MAX;
    while (heard.length < count && performance.now() < until_ms) {
      const report = this.#heard.shift();
      if (report === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      } else if (withKeepalives || !isKeepalive(report)) {
        heard.push(report);
      }
    }
    clearTimeout(timer);
    if (heard.length < count) throw new BoardGone("the device does not say what it should");
    return heard;
  }
}

const KEEPALIVE = 0xbb;

function isKeepalive(report: Uint8Array): boolean {
  return report[4] === KEEPALIVE;
}
