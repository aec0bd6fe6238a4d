/** A board's report for people. */

import type { Report } from "./report.js";

type Numbers = Readonly<Record<string, number>>;

function shown(value: number): string {
  return value.toLocaleString("en-US");
}

/** Columns as wide as they need be: names to the left, numbers to the right. */
function aligned(rows: readonly (readonly string[])[]): string {
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, at) => Math.max(...rows.map((row) => (row[at] ?? "").length)));
  const cell = (text: string, at: number) => (at === 0 ? text.padEnd(widths[at] ?? 0) : text.padStart(widths[at] ?? 0));
  return rows.map((row) => `  ${row.map(cell).join("  ")}`).join("\n");
}

function imageRows(images: Readonly<Record<string, { readonly flash: Numbers; readonly ram: Numbers }>>) {
  const parts = ["applets", "platform", "libsodium", "other", "total"];
  const rows = Object.entries(images).map(([applets, { flash, ram }]) => {
    const { platform = 0, libsodium = 0, other = 0, stackReserved = 0, total = 0 } = ram;
    const linear = total - platform - libsodium - other - stackReserved;
    const inRam = [linear, platform, libsodium + other, stackReserved, total];
    return [applets, ...parts.map((part) => shown(flash[part] ?? 0)), ...inRam.map(shown)];
  });
  const head = ["bytes", "flash: applets", "platform", "libsodium", "other", "total"];
  return [[...head, "RAM: applets", "platform", "other", "stack", "total"], ...rows];
}

/** Sizes of every image, then, where they are known, RAM of one applet, instructions and flash work. */
export function tableOf(name: string, report: Report): string {
  const images = report["images"] as Parameters<typeof imageRows>[0];
  const tables = [name, aligned(imageRows(images))];
  const instructions = report["instructions"] as Numbers | undefined;
  if (instructions === undefined) return tables.join("\n");
  const { perApplet } = report["ram"] as { readonly perApplet: Numbers };
  const stack = report["stackUsed"] as Numbers;
  const alone = Object.entries(perApplet).map(([applet, bytes]) => [applet, shown(bytes), shown(stack[applet] ?? 0)]);
  tables.push(aligned([["one applet, bytes", "RAM with used stack", "used stack"], ...alone]));
  const work = report["flashWork"] as Readonly<Record<string, Numbers>>;
  const rows = Object.entries(instructions).map(([workload, count]) => {
    const { words, erases, registerSaves, dataSheet_ms } = work[workload] ?? {};
    return [
      workload,
      shown(count),
      ...[words, erases, registerSaves, dataSheet_ms].map((each) => (each === undefined ? "" : shown(each))),
    ];
  });
  tables.push(aligned([["", "instructions", "flash words", "erases", "register saves", "flash, ms"], ...rows]));
  return tables.join("\n");
}
