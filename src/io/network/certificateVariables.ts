/** Which variables name certificates of a network's own authority, as Python's clients, curl and Node go by them. */

/** In the order in which messages name them. */
export const CERTIFICATE_VARIABLES = [
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'REQUESTS_CA_BUNDLE',
  'CURL_CA_BUNDLE',
  'NODE_EXTRA_CA_CERTS',
] as const;

export interface OwnCertificates {
  /** PEM, one certificate each. */
  pem: readonly string[];
  /** The variables that named them. */
  variables: readonly string[];
}
