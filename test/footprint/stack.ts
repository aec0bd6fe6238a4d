/** How deep the stack of a board in QEMU went: what start-up painted (hardware/boards/stm32f405/startup.c) and nobody wrote over. */

import { readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { run } from "../../scripts/hardware/run.js";

const PAINT = 0xa5a5a5a5;
const WORD_BYTES = 4;

export interface StackPlace {
  readonly bottom: number;
  readonly top: number;
}

/** QEMU did not do what its monitor was told, or the image has no painted stack. */
export class StackError extends Error {
  override readonly name = "StackError";
}

/** Where the image has its stack. */
export function stackPlace(nm: string, image: string): StackPlace {
  const symbols = new Map<string, number>();
  for (const line of run(nm, [image]).split("\n")) {
    const [address = "", , name = ""] = line.split(" ");
    symbols.set(name, Number.parseInt(address, 16));
  }
  const [bottom, top] = [symbols.get("stack_bottom"), symbols.get("stack_top")];
  if (bottom === undefined || top === undefined) throw new StackError(`${image} says not where its stack is.`);
  return { bottom, top };
}

/** QEMU's options for a monitor on this socket. */
export function monitorOptions(socket: string): string[] {
  return ["-qmp", `unix:${socket},server=on,wait=off`];
}

/** Tells QEMU's monitor one command, and waits until it is carried out. */
async function tell(socket: string, execute: string, values: Readonly<Record<string, unknown>>): Promise<void> {
  const connection = connect(socket);
  try {
    const orders = [{ execute: "qmp_capabilities" }, { execute, arguments: values }];
    for await (const line of createInterface({ input: connection })) {
      const said = JSON.parse(line) as Readonly<Record<string, unknown>>;
      if ("error" in said) throw new StackError(`QEMU's monitor refuses ${execute}: ${line}`);
      // Its greeting, then an answer to each order; events come between.
      if (!("QMP" in said) && !("return" in said)) continue;
      const order = orders.shift();
      if (order === undefined) return;
      connection.write(`${JSON.stringify(order)}\n`);
    }
    throw new StackError(`QEMU's monitor ended before ${execute} was done`);
  } finally {
    connection.destroy();
  }
}

/** Bytes of the stack that were used; all of them where no paint is left. */
export function usedOf(stack: Uint8Array): number {
  const view = new DataView(stack.buffer, stack.byteOffset, stack.length);
  let at = 0;
  while (at < stack.length && view.getUint32(at, true) === PAINT) at += WORD_BYTES;
  return stack.length - at;
}

/** What the running board has used of its stack. */
export async function stackUsed(socket: string, { bottom, top }: StackPlace): Promise<number> {
  const file = `${socket}.stack`;
  await tell(socket, "pmemsave", { val: bottom, size: top - bottom, filename: file });
  const stack = readFileSync(file);
  rmSync(file);
  if (stack.length !== top - bottom) throw new StackError(`QEMU gives ${stack.length} bytes of stack`);
  return usedOf(stack);
}
