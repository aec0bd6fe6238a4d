/**
 * Serial lines of this computer: serial ports through npm's serialport, an optional dependency that is loaded when somebody asks for
 * one, and Unix sockets, on which emulators have the serial lines of their boards.
 */

import { stat } from "node:fs/promises";
import { createConnection } from "node:net";
import type { Duplex } from "node:stream";
import { asError } from "../as-error.js";
import { CardInUseError, CardMuteError, ReaderMissingError } from "./card-errors.js";
import type { SerialSource } from "./serial.js";
import { SerialForbiddenError, SerialUnavailableError, SerialUnusableError } from "./serial-errors.js";
import type { SerialLine } from "./serial-line.js";

const BAUD = 115_200;
/** What was written is waited for so long when a line is closed. */
const CLOSE_MS = 1_000;

/** What of serialport is used: its own types are not there where it is not installed. */
interface SerialPortModule {
  readonly SerialPort: new (options: {
    readonly path: string;
    readonly baudRate: number;
    readonly dataBits: 8;
    readonly parity: "none";
    readonly stopBits: 1;
    /** No other process opens it meanwhile. */
    readonly lock: true;
    readonly autoOpen: false;
  }) => OpenPort;
}

type Done = (error: Error | null) => void;

interface OpenPort extends Duplex {
  open(done: Done): void;
  drain(done: Done): void;
  close(done: Done): void;
  readonly isOpen: boolean;
}

const MODULE: string = "serialport";

let loading: Promise<SerialPortModule> | undefined;

async function load(): Promise<SerialPortModule> {
  loading ??= import(MODULE).then((module: SerialPortModule) => module);
  try {
    return await loading;
  } catch (error) {
    throw new SerialUnavailableError(error);
  }
}

/** Waits for a call that may never come. This timer keeps the process alive: nothing else may, where a line is gone. */
function bounded(work: (done: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, CLOSE_MS);
    work(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

async function openPort(path: string): Promise<SerialLine> {
  const { SerialPort } = await load();
  let port: OpenPort;
  try {
    port = new SerialPort({
      path,
      baudRate: BAUD,
      dataBits: 8,
      parity: "none",
      stopBits: 1,
      lock: true,
      autoOpen: false,
    });
    await new Promise<void>((resolve, reject) => {
      port.open((error) => (error === null ? resolve() : reject(error)));
    });
  } catch (error) {
    throw portRefusal(path, error);
  }
  return {
    stream: port,
    close: async () => {
      if (port.isOpen) await bounded((done) => port.drain(done));
      if (port.isOpen) await bounded((done) => port.close(done));
    },
  };
}

/** serialport has no codes, but the system's words. */
function portRefusal(path: string, error: unknown): Error {
  const { message } = asError(error);
  if (/Cannot lock port|Resource (temporarily unavailable|busy)|Device or resource busy|Access denied/.test(message)) {
    return new CardInUseError(path);
  }
  if (/Permission denied/.test(message)) return new SerialForbiddenError(path, error);
  if (/No such (file|device)|File not found/.test(message)) return new ReaderMissingError(path, { cause: error });
  return new SerialUnusableError(path, error);
}

async function openSocket(path: string): Promise<SerialLine> {
  const stream = createConnection(path);
  await new Promise<void>((resolve, reject) => {
    stream.once("connect", resolve);
    stream.once("error", (error) => reject(socketRefusal(path, error)));
  });
  return {
    stream,
    close: async () => {
      if (!stream.destroyed) await bounded((done) => stream.end(done));
      stream.destroy();
    },
  };
}

/** An emulator's socket takes one program; a few others wait in its queue, and what is beyond it is told to come again. */
function socketRefusal(path: string, error: NodeJS.ErrnoException): Error {
  switch (error.code) {
    case "EAGAIN":
      return new CardInUseError(path);
    case "EACCES":
    case "EPERM":
      return new SerialForbiddenError(path, error);
    case "ENOENT":
    case "ECONNREFUSED":
      // Its file outlives an emulator that was killed.
      return new ReaderMissingError(path, { cause: error });
    default:
      return new SerialUnusableError(path, error);
  }
}

/** The serial port or the Unix socket of a path. */
export function serialSource(path: string): SerialSource {
  let isSocket = false;
  return {
    name: path,
    async open() {
      isSocket = await stat(path).then(
        (found) => found.isSocket(),
        () => false,
      );
      return isSocket ? openSocket(path) : openPort(path);
    },
    noAnswer: () => (isSocket ? new CardInUseError(path) : new CardMuteError(path)),
  };
}
