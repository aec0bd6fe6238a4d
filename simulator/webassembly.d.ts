/** What the project uses of WebAssembly's JavaScript API: neither ES nor Node's types declare it, and the DOM's bring too much. */
declare namespace WebAssembly {
  class RuntimeError extends Error {}

  class Module {
    constructor(bytes: Uint8Array);
    static imports(module: Module): { module: string; name: string; kind: string }[];
    static exports(module: Module): { name: string; kind: string }[];
  }

  class Memory {
    readonly buffer: ArrayBuffer;
  }

  class Global {
    value: number | bigint;
  }

  class Instance {
    constructor(module: Module, imports?: Imports);
    readonly exports: { readonly [name: string]: unknown };
  }

  type ModuleImports = { [name: string]: (...values: number[]) => number };
  type Imports = { [module: string]: ModuleImports };

  function compile(bytes: Uint8Array): Promise<Module>;
  function instantiate(module: Module, imports?: Imports): Promise<Instance>;
}
