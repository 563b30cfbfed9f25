// The variables that the examples read. The compiler options of this workspace require declared properties.
declare namespace NodeJS {
  interface ProcessEnv {
    SCRAPENEST_WEBHOOK_SECRET?: string | undefined
    PORT?: string | undefined
  }
}
