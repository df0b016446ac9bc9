"""Reads one path of Microsoft Graph with the credentials in the environment, and prints the answer."""

import os
import ssl
import sys

import httpx


def main(path: str) -> None:
    tenant, url = os.environ["ARM_TENANT_ID"], f"https://{os.environ['ARM_METADATA_HOSTNAME']}"
    credentials = {
        "grant_type": "client_credentials",
        "client_id": os.environ["ARM_CLIENT_ID"],
        "client_secret": os.environ["ARM_CLIENT_SECRET"],
        "scope": f"{url}/.default",
    }
    with httpx.Client(verify=ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])) as client:
        token = client.post(f"{url}/{tenant}/oauth2/v2.0/token", data=credentials).raise_for_status().json()
        answer = client.get(url + path, headers={"Authorization": f"Bearer {token['access_token']}"})
        print(answer.raise_for_status().text)


if __name__ == "__main__":
    main(sys.argv[1])
