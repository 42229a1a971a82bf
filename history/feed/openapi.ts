/** The description of the feed for other languages: OpenAPI 3.1. */
export const openapi = { openapi: '3.1.0' }
