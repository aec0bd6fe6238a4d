/**
 * The devices of one merchant, each of which serves one customer at a time. Whoever wants one gets the first that is free, or
 * waits in turn: for any, or for the one that has something open with it.
 */

import type { Device } from "../device.js";

interface Waiting {
  /** Undefined: any device will do. */
  readonly device: Device | undefined;
  readonly take: (device: Device) => void;
}

export class Tills {
  readonly #devices: readonly Device[];
  readonly #taken = new Set<Device>();
  readonly #waiting: Waiting[] = [];

  constructor(devices: readonly Device[]) {
    this.#devices = devices;
  }

  /** Works with a device of the merchant, or with this one, as soon as it is free. */
  async use<Result>(device: Device | undefined, work: (device: Device) => Promise<Result>): Promise<Result> {
    const till = this.#take(device) ?? (await this.#wait(device));
    try {
      return await work(till);
    } finally {
      this.#release(till);
    }
  }

  /** As `use`, but undefined when the device is not free now. */
  async useIfFree<Result>(device: Device, work: (device: Device) => Promise<Result>): Promise<Result | undefined> {
    return this.#taken.has(device) ? undefined : this.use(device, work);
  }

  #take(wanted: Device | undefined): Device | undefined {
    const free = this.#devices.find((device) => !this.#taken.has(device) && (wanted ?? device) === device);
    if (free !== undefined) this.#taken.add(free);
    return free;
  }

  #wait(device: Device | undefined): Promise<Device> {
    return new Promise((resolve) => this.#waiting.push({ device, take: resolve }));
  }

  #release(till: Device): void {
    const index = this.#waiting.findIndex(({ device }) => (device ?? till) === till);
    const [next] = index < 0 ? [] : this.#waiting.splice(index, 1);
    if (next === undefined) this.#taken.delete(till);
    else next.take(till);
  }
}
