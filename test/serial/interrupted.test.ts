/** A command that is interrupted while it has a board: no verified PIN stays in it. */

import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { tallyProcess } from "../support/processes.js";
import { ModelBoard } from "./model-board.js";

let folder: string;
let server: Server;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tallystick-interrupted-"));
});
afterEach(async () => {
  await new Promise((done) => server.close(done));
  rmSync(folder, { recursive: true, force: true });
});

test.each([["SIGINT"], ["SIGTERM"]] as const)(
  "%s in the middle of a command takes the card's power",
  async (signal) => {
    const board = new ModelBoard();
    const asked = new Promise<void>((done) => {
      board.onCommand = () => done();
    });
    server = createServer((socket) => {
      socket.on("error", () => undefined);
      void board.open().then(({ stream }) => {
        stream.on("data", (bytes: Uint8Array) => void socket.write(bytes));
        socket.on("data", (bytes) => void stream.write(bytes));
      });
    });
    const path = join(folder, "board");
    await new Promise<void>((done) => server.listen(path, done));
    const child = tallyProcess(["apdu", "send", "--device", `serial:${path}`, "00 20 00 01 04 34 37 31 31"]);
    await asked;
    expect(board.isOn).toBe(true);
    child.kill(signal);
    const { code, err } = await child.ended;
    expect([code, err]).toEqual([130, expect.stringMatching(/^Interrupted\. No money is lost/)]);
    expect(board.isOn).toBe(false);
  },
);
