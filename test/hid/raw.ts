/** Reports by hand on /dev/hidraw, for what no proper host sends. */

import type { ReportLine } from "../../host/transports/ctaphid-client.js";
import { type HidDevice, systemHidDevices } from "../../host/transports/node-hid.js";
import { type Frame, framesIn, initialization, reportsOf } from "../usb/reports.js";

const ANSWER_MS_MAX = 10_000;

export class Raw {
  readonly #line: ReportLine;
  readonly #heard: Uint8Array[] = [];
  #wake: () => void = () => undefined;

  private constructor(line: ReportLine) {
    this.#line = line;
    line.onReport = (report) => {
      this.#heard.push(Uint8Array.from(report));
      this.#wake();
    };
  }

  static async open(device: HidDevice): Promise<Raw> {
    return new Raw(await systemHidDevices.open(device));
  }

  async say(...reports: readonly Uint8Array[]): Promise<void> {
    for (const report of reports) await this.#line.write(report);
  }

  /** Everything up to this many reports, as frames; fewer when no more come in time. */
  async hear(reports: number): Promise<Frame[]> {
    const timer = setTimeout(() => this.#wake(), ANSWER_MS_MAX);
    const until_ms = performance.now() + ANSWER_MS_MAX;
    while (this.#heard.length < reports && performance.now() < until_ms) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    clearTimeout(timer);
    return framesIn(this.#heard.splice(0, reports));
  }

  async channel(): Promise<number> {
    await this.say(initialization(-1, 6, [1, 2, 3, 4, 5, 6, 7, 8]));
    const [frame] = await this.hear(1);
    return new DataView(Uint8Array.from(frame?.data ?? []).buffer).getInt32(8);
  }

  /** One message, and the one frame that answers it. */
  async ask(channel: number, command: number, data: ArrayLike<number> = []): Promise<Frame | undefined> {
    const reports = reportsOf(channel, command, data);
    await this.say(...reports);
    return (await this.hear(1))[0];
  }

  async close(): Promise<void> {
    this.#line.onReport = undefined;
    await this.#line.close();
  }
}
