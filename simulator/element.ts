/**
 * One tamper-proof element: a chip that runs an applet. It takes command APDUs and gives response APDUs, and it is a
 * value: all of its state can be copied, compared and put back.
 */

import type { Applet, AppletInstance } from "./applet.js";
import { FirmwareAssertion } from "./applet.js";
import type { Chip } from "./chip.js";

const STATUS_WORD_BYTES = 2;
const HEADER_BYTES = 5;

/** The element has no power. */
export class ElementOff extends Error {
  override readonly name = "ElementOff";

  constructor() {
    super("the element has no power: power it on first");
  }
}

/** The applet stopped at a failed assertion or another trap; the element is off. */
export class AppletTrap extends Error {
  override readonly name = "AppletTrap";

  constructor(cause: Error) {
    super(`the applet stopped: ${cause.message}`, { cause });
  }
}

/** The applet did not start; the element is off. */
export class BootFailure extends Error {
  override readonly name = "BootFailure";

  constructor(readonly status: number) {
    super(`the applet did not start: status ${status}`);
  }
}

/** The applet broke its contract with the platform; the element is off. */
export class AppletFault extends Error {
  override readonly name = "AppletFault";
}

export class Element {
  /** Present while there is power, unless parked. */
  private instance: AppletInstance | undefined;
  /** Memory and globals of an element that has power but holds no instance. */
  private parkedImage: Uint8Array | undefined;

  constructor(
    private readonly applet: Applet,
    readonly chip: Chip,
  ) {}

  get isOn(): boolean {
    return this.instance !== undefined || this.parkedImage !== undefined;
  }

  /** Bytes of the longest command and of the longest response. The element must be on. */
  get bufferBytes(): number {
    return this.running().exports.bufferSize();
  }

  /** Starts the applet; an element that is on loses power first. */
  powerOn(): void {
    this.powerOff();
    this.chip.powerOn();
    this.instance = this.applet.take(this.chip);
    const status = this.guarded(() => this.running().exports.boot());
    if (status < 0) {
      this.powerOff();
      throw new BootFailure(status);
    }
  }

  powerOff(): void {
    this.releaseInstance();
    this.parkedImage = undefined;
  }

  /** Sends a command APDU and returns the response with its status word. */
  transmit(command: Uint8Array): Uint8Array {
    const { exports } = this.running();
    const address = exports.buffer() >>> 0;
    const sizeBytes = exports.bufferSize();
    if (command.length > sizeBytes) throw new RangeError(`command: ${command.length} bytes, at most ${sizeBytes}`);
    new Uint8Array(exports.memory.buffer, address, sizeBytes).set(command);
    const lengthBytes = this.guarded(() => exports.command(command.length));
    if (lengthBytes < STATUS_WORD_BYTES || lengthBytes > sizeBytes) {
      this.powerOff();
      throw new AppletFault(`the applet answered with a length of ${lengthBytes} bytes`);
    }
    return new Uint8Array(exports.memory.buffer, address, lengthBytes).slice();
  }

  /** Gives the instance back while nothing is asked of the element; it stays on, and the next command takes one again. */
  park(): void {
    if (this.instance === undefined) return;
    this.parkedImage = this.instance.image();
    this.releaseInstance();
  }

  /** Everything that the element is: power, memory, flash, keys, counter, clock. */
  snapshot(): Uint8Array {
    const image = this.instance?.image() ?? this.parkedImage ?? new Uint8Array(0);
    const bytes = new Uint8Array(HEADER_BYTES + image.length + this.chip.snapshotBytes);
    const view = new DataView(bytes.buffer);
    view.setUint8(0, this.isOn ? 1 : 0);
    view.setUint32(1, image.length, true);
    bytes.set(image, HEADER_BYTES);
    this.chip.snapshotInto(bytes.subarray(HEADER_BYTES + image.length));
    return bytes;
  }

  restore(snapshot: Uint8Array): void {
    const view = new DataView(snapshot.buffer, snapshot.byteOffset, snapshot.byteLength);
    const imageEnd = HEADER_BYTES + view.getUint32(1, true);
    this.powerOff();
    this.chip.restore(snapshot.subarray(imageEnd));
    if (view.getUint8(0) === 1) this.parkedImage = snapshot.slice(HEADER_BYTES, imageEnd);
  }

  private running(): AppletInstance {
    if (this.instance !== undefined) return this.instance;
    if (this.parkedImage === undefined) throw new ElementOff();
    this.instance = this.applet.take(this.chip, this.parkedImage);
    this.parkedImage = undefined;
    return this.instance;
  }

  private releaseInstance(): void {
    if (this.instance !== undefined) this.applet.give(this.instance);
    this.instance = undefined;
  }

  /** Runs the applet. Whatever comes out of it other than a result (a trap, a power cut) leaves the element off. */
  private guarded(run: () => number): number {
    try {
      return run();
    } catch (error) {
      this.powerOff();
      const isTrap = error instanceof WebAssembly.RuntimeError || error instanceof FirmwareAssertion;
      throw isTrap ? new AppletTrap(error) : error;
    }
  }
}
