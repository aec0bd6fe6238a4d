/** The device process, as the host process of the test sees it: one order at a time. */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { HidDevice } from "../../host/transports/node-hid.js";
import { systemHidDevices } from "../../host/transports/node-hid.js";
import type { UsbCardOptions } from "../../simulator/usb/usb-card.js";
import type { Chips, Order, Reply } from "./device.js";

/** udev's part of it is done within this time, on a slow machine. */
const APPEARS_MS_MAX = 10_000;
const LOOK_EVERY_MS = 20;

export class DeviceProcess {
  readonly #process: ChildProcess = fork(fileURLToPath(new URL("device.js", import.meta.url)), {
    serialization: "advanced",
  });
  #last: Promise<unknown> = Promise.resolve();

  async #order(order: Order): Promise<Reply> {
    const answered = this.#last.then(async () => {
      this.#process.send(order);
      const [reply] = (await once(this.#process, "message")) as [Reply];
      if (reply.fault !== undefined) throw new Error(`device process: ${reply.fault}`);
      return reply;
    });
    this.#last = answered.catch(() => undefined);
    return answered;
  }

  /** A card that answers with what it is asked, plugged in. */
  async echo(serial: string, options: UsbCardOptions = {}): Promise<HidDevice> {
    await this.#order({ kind: "make", serial, options });
    return this.plug(serial);
  }

  async chips(serial: string, chips: Chips): Promise<HidDevice> {
    await this.#order({ kind: "make", serial, chips });
    return this.plug(serial);
  }

  /** Resolves when this computer's programs see it. */
  async plug(serial: string): Promise<HidDevice> {
    await this.#order({ kind: "plug", serial });
    for (const until_ms = performance.now() + APPEARS_MS_MAX; ; ) {
      const found = (await systemHidDevices.list()).find((device) => device.serial === serial);
      if (found !== undefined) return found;
      if (performance.now() > until_ms) throw new Error(`the device ${serial} does not appear`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  }

  async pull(serial: string): Promise<void> {
    await this.#order({ kind: "pull", serial });
  }

  async asked(serial: string): Promise<number> {
    return (await this.#order({ kind: "asked", serial })).asked ?? 0;
  }

  /** Ends it, as a user does who presses Ctrl-C; how it ended. */
  async end(): Promise<NodeJS.Signals | null> {
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGTERM");
    const [, signal] = (await ended) as [number | null, NodeJS.Signals | null];
    return signal;
  }
}
