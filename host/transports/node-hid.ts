/**
 * USB HID through npm's node-hid, an optional dependency: it is loaded when somebody asks for USB devices, and without it
 * everything else works.
 */

import { access, constants } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { PRODUCT_ID, USAGE, USAGE_PAGE, VENDOR_ID } from "../../firmware/usb/descriptors.js";
import { asError } from "../as-error.js";
import type { ReportLine } from "./ctaphid-client.js";
import { UsbForbiddenError, UsbGoneError, UsbUnavailableError } from "./hid-errors.js";

/** A device of ours that is plugged in. */
export interface HidDevice {
  /** Where the operating system has it. */
  readonly path: string;
  readonly serial: string;
  readonly product: string;
}

/** The devices of this computer, and lines to them. */
export interface HidDevices {
  list(): Promise<HidDevice[]>;
  open(device: HidDevice): Promise<ReportLine>;
}

/** What of node-hid is used: its own types are not there where it is not installed. */
interface NodeHid {
  devicesAsync(vendor: number, product: number): Promise<FoundDevice[]>;
  readonly HIDAsync: { open(path: string): Promise<OpenDevice> };
}

interface FoundDevice {
  readonly path?: string;
  readonly serialNumber?: string;
  readonly product?: string;
  readonly usagePage?: number;
  readonly usage?: number;
}

interface OpenDevice {
  on(event: "data", listener: (report: Uint8Array) => void): unknown;
  on(event: "error", listener: (error: unknown) => void): unknown;
  write(report: Buffer): Promise<number>;
  close(): Promise<void>;
}

const MODULE: string = "node-hid";
/**
 * So many reports go out in a row, and then there is a pause. A real device takes one a millisecond and holds the writer back;
 * for a virtual one the kernel keeps 32 and drops what is beyond.
 */
const BURST_REPORTS = 16;
const PAUSE_MS = 2;
/** Devices without report numbers are written to with this one. */
const NO_REPORT_NUMBER = 0;

let loading: Promise<NodeHid> | undefined;

async function load(): Promise<NodeHid> {
  loading ??= import(MODULE).then(({ default: nodeHid }: { default: NodeHid }) => nodeHid);
  try {
    return await loading;
  } catch (error) {
    throw new UsbUnavailableError(error);
  }
}

class NodeHidLine implements ReportLine {
  readonly name: string;
  onReport: ((report: Uint8Array) => void) | undefined;
  onFailure: ((error: Error) => void) | undefined;
  readonly #device: OpenDevice;
  #written = 0;

  constructor(device: OpenDevice, name: string) {
    this.name = name;
    this.#device = device;
    device.on("error", (error) => this.onFailure?.(asError(error)));
    device.on("data", (report) => this.onReport?.(report));
  }

  async write(report: Uint8Array): Promise<void> {
    await this.#device.write(Buffer.of(NO_REPORT_NUMBER, ...report));
    this.#written += 1;
    if (this.#written % BURST_REPORTS === 0) await setTimeout(PAUSE_MS);
  }

  async close(): Promise<void> {
    try {
      await this.#device.close();
    } catch {
      // A device that is gone is closed.
    }
  }
}

/** node-hid does not say why it cannot open a device. */
async function isForbidden(path: string): Promise<boolean> {
  try {
    await access(path, constants.R_OK | constants.W_OK);
    return false;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EACCES";
  }
}

/** What people call a device. */
export function nameOf({ product, serial }: HidDevice): string {
  return `${product} (${serial})`;
}

/** This computer's USB devices. A UsbUnavailableError says what is not installed. */
export const systemHidDevices: HidDevices = {
  async list() {
    const nodeHid = await load();
    const found = await nodeHid.devicesAsync(VENDOR_ID, PRODUCT_ID).catch((error: unknown) => {
      throw new UsbUnavailableError(error);
    });
    return found
      .filter(({ usagePage, usage }) => usagePage === USAGE_PAGE && usage === USAGE)
      .flatMap(({ path, serialNumber, product }) => {
        if (path === undefined) return [];
        return [{ path, serial: serialNumber || path, product: product || "USB device" }];
      });
  },

  async open(device) {
    const { HIDAsync } = await load();
    const name = nameOf(device);
    try {
      return new NodeHidLine(await HIDAsync.open(device.path), name);
    } catch (error) {
      throw (await isForbidden(device.path))
        ? new UsbForbiddenError(name, device.path, error)
        : new UsbGoneError(name, error);
    }
  },
};
