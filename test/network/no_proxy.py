"""Writes no_proxy.json: whether Python's requests goes past the proxy, for addresses and NO_PROXY values in the forms that it knows."""
import json
import random
from pathlib import Path

from requests.utils import should_bypass_proxies

random.seed(7)
HOSTS = ["huggingface.co", "cdn-lfs.huggingface.co", "nothuggingface.co", "hub.hospital.org", "hospital.org", "localhost", "10.1.2.3", "10.2.0.1", "192.168.1.77", "127.0.0.1"]
ITEMS = ["huggingface.co", ".huggingface.co", "hospital.org", ".hospital.org", "hub.hospital.org", "co", "face.co", "localhost", "10.0.0.0/8", "10.1.0.0/16", "192.168.1.64/26",
         "10.1.2.3", "127.0.0.1", "hub.hospital.org:8443", "huggingface.co:443", "hospital.org:8443", ".org", "10.1.2.3/32", "LOCALHOST", "172.16.0.0/12"]
cases = []
for host in HOSTS:
    for port in ["", ":8443"]:
        for no_proxy in ["", "*"] + [",".join(random.sample(ITEMS, random.randint(1, 3))) for _ in range(20)]:
            url = f"https://{host}{port}/x"
            cases.append([url, no_proxy, should_bypass_proxies(url, no_proxy)])
Path(__file__).with_name("no_proxy.json").write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
print(len(cases), sum(case[2] for case in cases))
