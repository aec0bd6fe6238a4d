/** Writes what the simulator implements: `simulator/platform.generated.ts`. */

import {
  KEY_KINDS,
  type Parameter,
  PLATFORM_ERRORS,
  PLATFORM_FUNCTIONS,
  PLATFORM_MODULE,
  PLATFORM_SIZES,
  type PlatformConstant,
  type PlatformFunction,
} from "../../firmware/platform/interface.js";
import { camelCase, docComment, NOTICE } from "./names.js";

function table(name: string, doc: string, constants: readonly PlatformConstant[]): string {
  const lines = constants.map((constant) => `  /** ${constant.doc} */\n  ${constant.name}: ${constant.value},\n`);
  return `/** ${doc} */\nexport const ${name} = {\n${lines.join("")}} as const;\n`;
}

function methodText(declared: PlatformFunction): string {
  const parameters = declared.parameters
    .map((parameter) => `${camelCase(parameter.name)}: ${parameter.kind === "u32" ? "number" : "Uint8Array"}`)
    .join(", ");
  const tags = declared.parameters.map((parameter) => {
    const exact = parameter.bytes === undefined ? "" : ` (${parameter.bytes} bytes)`;
    return `@param ${camelCase(parameter.name)} ${parameter.doc}${exact}`;
  });
  return `${docComment(declared.doc, "  ", [...tags, `@returns ${declared.result}`])}  ${camelCase(declared.name)}(${parameters}): number;\n`;
}

function argumentNames(parameter: Parameter): string[] {
  const name = camelCase(parameter.name);
  return parameter.kind === "u32" ? [name] : [`${name}Address`, `${name}Length`];
}

function bindingText(declared: PlatformFunction): string {
  const method = camelCase(declared.name);
  const buffers = declared.parameters.filter((parameter) => parameter.kind !== "u32");
  const names = declared.parameters.flatMap(argumentNames);
  const passed = declared.parameters.map((parameter) =>
    parameter.kind === "u32" ? `${camelCase(parameter.name)} >>> 0` : camelCase(parameter.name),
  );
  const call = `platform().${method}(${passed.join(", ")})`;
  const head = `    ${declared.name}(${names.map((name) => `${name}: number`).join(", ")}): number {\n`;
  const views = buffers.map((parameter) => {
    const name = camelCase(parameter.name);
    const length = parameter.bytes === undefined ? "" : `, ${parameter.bytes}`;
    const view = parameter.bytes === undefined ? "view" : "viewExactly";
    return `      const ${name} = ${view}(${name}Address, ${name}Length${length});\n      if (${name} === undefined) return PlatformError.InvalidArgument;\n`;
  });
  return `${head}${views.join("")}      return ${call};\n    },\n`;
}

const MEMORY_VIEWS = `  let bytes = new Uint8Array(0);
  function view(address: number, length: number): Uint8Array | undefined {
    const { buffer } = memory();
    if (bytes.buffer !== buffer) bytes = new Uint8Array(buffer);
    const start = address >>> 0;
    const end = start + (length >>> 0);
    return end > bytes.length ? undefined : bytes.subarray(start, end);
  }
  function viewExactly(address: number, length: number, lengthExpected: number): Uint8Array | undefined {
    return length === lengthExpected ? view(address, length) : undefined;
  }
`;

export function typescriptText(): string {
  const constants = [
    table("PlatformError", "Results below zero.", PLATFORM_ERRORS),
    table("KeyKind", "Kinds of key in a slot.", KEY_KINDS),
    PLATFORM_SIZES.map(({ name, value, doc }) => `/** ${doc} */\nexport const ${name} = ${value};\n`).join(""),
    `/** Import module name of every function below. */\nexport const PLATFORM_MODULE = "${PLATFORM_MODULE}";\n`,
  ].join("\n");
  const type = `/** What a chip provides to an applet. */\nexport interface Platform {\n${PLATFORM_FUNCTIONS.map(methodText).join("\n")}}\n`;
  const binding = `${docComment(
    "The imports of an applet: checks every address and length against linear memory, and every fixed length, before the platform sees a buffer. A buffer that fails is InvalidArgument, and the platform is not called. Memory and platform are asked for at each call, so that an instance can serve one chip after another.",
    "",
  )}export function bindPlatform(memory: () => WebAssembly.Memory, platform: () => Platform): WebAssembly.ModuleImports {
${MEMORY_VIEWS}
  return {
${PLATFORM_FUNCTIONS.map(bindingText).join("")}  };
}
`;
  return `// ${NOTICE}\n\n${[constants, type, binding].join("\n")}`;
}
