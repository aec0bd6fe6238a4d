/** Serial lines as places of cards: which are listed, which are tried, and why one cannot be had. */

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AllPlaces } from "../../host/cards/all-places.js";
import { findPlace } from "../../host/cards/find.js";
import type { PlaceEvent } from "../../host/cards/place.js";
import { LOOK_EVERY_MS } from "../../host/cards/place-watch.js";
import { SerialPlaces, serialPaths } from "../../host/cards/serial-places.js";
import { CardInUseError, CardsUnavailableError, ReaderMissingError } from "../../host/transports/card-errors.js";
import { SerialUnavailableError, SerialUnusableError } from "../../host/transports/serial-errors.js";
import { tally, unpackHome } from "../support/homes.js";
import { VirtualTime } from "../support/virtual-time.js";
import { ModelBoard } from "./model-board.js";

const SOON = { answer_ms: 2_000, begin_ms: 60, again_ms: 20 };

let folder: string;
let servers: Server[];
let sockets: Socket[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tallystick-serial-"));
  servers = [];
  sockets = [];
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  rmSync(folder, { recursive: true, force: true });
});

/** A board on a socket, for one program at a time, as an emulator has it: who comes meanwhile is not listened to. */
async function listen(name: string): Promise<string> {
  const path = join(folder, name);
  const board = new ModelBoard();
  let isTaken = false;
  const server = createServer((socket) => {
    sockets.push(socket);
    if (isTaken) return;
    isTaken = true;
    socket.on("close", () => {
      isTaken = false;
    });
    void board.open().then(({ stream }) => {
      stream.on("data", (bytes: Uint8Array) => void socket.write(bytes));
      socket.on("data", (bytes) => void stream.write(bytes));
    });
  });
  servers.push(server);
  await new Promise<void>((done) => server.listen(path, done));
  return path;
}

/** A process that is killed leaves its socket's file. */
function leaveSocket(path: string): void {
  const script = `require("node:net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
  expect(() => execFileSync(process.execPath, ["-e", script])).toThrow();
}

const connect = async (path: string) => {
  const place = new SerialPlaces({ paths: [], limits: SOON }).named(`serial:${path}`);
  if (place === undefined) throw new Error(`no place ${path}`);
  return place.connect();
};

describe("places on serial lines", () => {
  test("are listed where the environment names them, and no others", async () => {
    const path = await listen("board");
    expect(serialPaths({})).toEqual([]);
    const TALLY_SERIAL = `${path}, serial:${path},,serial:,COM3, /dev/none`;
    expect(serialPaths({ TALLY_SERIAL })).toEqual([path, "COM3", "/dev/none"]);
    const places = await new SerialPlaces({ paths: serialPaths({ TALLY_SERIAL }) }).list();
    expect(places.map(({ locator, title, state }) => [locator, title, state])).toEqual([
      [`serial:${path}`, path, "card"],
      ["serial:COM3", "COM3", "card"],
      ["serial:/dev/none", "/dev/none", "empty"],
    ]);
    expect(await new SerialPlaces({ paths: [] }).list()).toEqual([]);
  });

  test("are found by their locators without being listed, and by a part of their names when they are", async () => {
    const all = new AllPlaces([new SerialPlaces({ paths: ["/dev/ttyLISTED"] })]);
    expect((await findPlace(all, "serial:/dev/ttyOTHER")).locator).toBe("serial:/dev/ttyOTHER");
    expect((await findPlace(all, "serial:other/../x")).locator).toBe(`serial:${resolve("x")}`);
    expect((await findPlace(all, "listed")).locator).toBe("serial:/dev/ttyLISTED");
    await expect(findPlace(all, "ttyOTHER")).rejects.toThrow(/no place "ttyOTHER"/);
    await expect(findPlace(all, "serial:")).rejects.toThrow(/no place "serial:"/);
  });

  test("are told of when they come and go", async () => {
    const time = new VirtualTime();
    const path = join(folder, "late");
    const events: string[] = [];
    const places = new SerialPlaces({ paths: [path], timers: time });
    const note = ({ kind, place }: PlaceEvent) => events.push(`${kind} ${place.state}`);
    const watch = places.watch(note, (error) => events.push(error.name));
    const pass = () => time.run(new Promise<void>((done) => void time.after(2 * LOOK_EVERY_MS, done)));
    await pass();
    await listen("late");
    await pass();
    expect(events).toEqual(["added empty", "changed card"]);
    await watch.stop();
    await places.close();
  });
});

describe("a socket", () => {
  test("is one program's at a time", async () => {
    const path = await listen("board");
    const transport = await connect(path);
    expect([...(await transport.transmit(Uint8Array.of(0, 1, 2, 3)))]).toEqual([0, 1, 2, 3, 0x90, 0]);
    await expect(connect(path)).rejects.toThrow(CardInUseError);
    await transport.close();
    const again = await connect(path);
    await again.close();
  });

  test("that is not there, or whose program was killed, is not connected", async () => {
    await expect(connect(join(folder, "absent"))).rejects.toThrow(ReaderMissingError);
    const path = join(folder, "stale");
    leaveSocket(path);
    await expect(connect(path)).rejects.toThrow(ReaderMissingError);
  });
});

describe("what is no line", () => {
  test("says so", async () => {
    const path = join(folder, "file");
    writeFileSync(path, "");
    const reason = await connect(path).catch((error: unknown) => error);
    const isSaid = reason instanceof SerialUnusableError || reason instanceof SerialUnavailableError;
    expect(isSaid, String(reason)).toBe(true);
  });

  test("is said with what to install where serialport is not there", () => {
    const cause = Object.assign(new Error("Cannot find package"), { code: "ERR_MODULE_NOT_FOUND" });
    const error = new SerialUnavailableError(cause);
    expect(error).toBeInstanceOf(CardsUnavailableError);
    expect(error.message).toMatch(/serialport is not installed\). No money moved\. Install npm's serialport/);
  });
});

describe("tally", () => {
  test("lists what TALLY_SERIAL names, and takes what --device names", async () => {
    const before = process.env["TALLY_SERIAL"];
    const file = join(folder, "file");
    const stale = join(folder, "stale");
    writeFileSync(file, "");
    leaveSocket(stale);
    process.env["TALLY_SERIAL"] = [join(folder, "none"), file, stale].join();
    try {
      const home = join(folder, "home");
      mkdirSync(home);
      unpackHome(home);
      const { out, code } = await tally("--home", home, "device", "list");
      expect(code).toBe(0);
      for (const path of [join(folder, "none"), file, stale]) expect(out).toContain(`serial:${path}: no card`);
      expect(out).toMatch(/file cannot be used as a serial line|serialport is not installed/);
    } finally {
      if (before === undefined) delete process.env["TALLY_SERIAL"];
      else process.env["TALLY_SERIAL"] = before;
    }
    const path = await listen("board");
    const { out, code } = await tally("apdu", "send", "--device", `serial:${path}`, "00 CA 01 02");
    expect([code, out]).toEqual([0, expect.stringContaining("00 CA 01 02 90 00")]);
  });
});
