/** The version of this package, for what the server says about itself. */
export const version = '0.1.0'
