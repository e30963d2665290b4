"""The main job: examples/2-https, from the template to a page over a verified TLS chain."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.api.bundles import Maker
from tests.e2e.conftest import Cloud, until

SITE = "examples/2-https/site.yaml"
URL = "https://hello-aws.my-project.jp/"
STACK = "hello-aws"


def physical(cloud: Cloud, name: str) -> str:
    answer = cloud.client("cloudformation").describe_stack_resource(
        StackName=STACK, LogicalResourceId=name
    )
    return str(answer["StackResourceDetail"]["PhysicalResourceId"])


def verified(cloud: Cloud) -> bool:
    status, printed = cloud.curl(URL, "-o", "/dev/null", "-w", "%{http_code} %{ssl_verify_result}")
    return (status, printed) == (0, "200 0")


@pytest.fixture(scope="module", autouse=True)
def deployed(cloud: Cloud) -> str:
    return cloud.hiyoko("up", "--yes", SITE)


def test_up_shows_the_plan_proves_and_prints_the_url(deployed: str) -> None:
    assert re.search(r"\+ NatGateway +EC2::NatGateway", deployed)
    assert "CREATE_COMPLETE" in deployed
    assert URL in deployed
    assert " NO " not in deployed


def test_a_client_gets_a_page_over_a_verified_chain(cloud: Cloud) -> None:
    assert verified(cloud)
    assert "nginx" in cloud.curl(URL)[1].lower()


def test_http_is_redirected_as_the_load_balancer_of_aws_does(cloud: Cloud) -> None:
    _, head = cloud.curl("http://hello-aws.my-project.jp/a?b=1", "-i")
    assert head.startswith("HTTP/1.1 301 Moved Permanently")
    assert "location: https://hello-aws.my-project.jp:443/a?b=1" in head.lower()
    assert "server: awselb/2.0" in head.lower()


def test_a_second_up_changes_nothing(cloud: Cloud) -> None:
    assert "no change" in cloud.hiyoko("up", "--yes", SITE)
    assert "no change" in cloud.hiyoko("plan", SITE)


def test_the_log_of_a_cloud_that_is_well_is_quiet(cloud: Cloud) -> None:
    said = (cloud.state_dir / "log" / "daemon.log").read_text().splitlines()
    assert [line for line in said if " INFO " not in line] == []


def test_check_walks_the_way_and_proves_the_negatives(cloud: Cloud) -> None:
    proof = json.loads(cloud.hiyoko("check", "--json", SITE))
    names = " ".join(result["name"] for result in proof["results"])
    assert proof["ok"]
    for part in ("from the root", "TLS chain", "no outsider reaches 10.0.", "port 22"):
        assert part in names


def test_status_map_and_logs_show_the_site(cloud: Cloud, tmp_path: Path) -> None:
    status = json.loads(cloud.hiyoko("status", "--json", SITE))
    assert status["delegation"]["delegated_by"] == "jp."
    assert status["certificate"] == "ISSUED"
    shown = cloud.hiyoko("map", SITE)
    assert "HTTP:80" in shown
    assert shown.count("healthy") == 2
    cloud.hiyoko("map", SITE, "--svg", str(tmp_path / "map.svg"))
    assert (tmp_path / "map.svg").read_text().startswith("<svg")
    cloud.curl(URL + "seen-in-the-log")
    assert until(lambda: "seen-in-the-log" in cloud.hiyoko("logs", "--file", SITE))


def test_tasks_have_no_public_address_and_are_silent_to_outsiders(cloud: Cloud) -> None:
    status = json.loads(cloud.hiyoko("status", "--json", SITE))
    for task in status["tasks"]:
        assert task["public_address"] == ""
        code, _ = cloud.curl(f"http://{task['private_address']}/", "--connect-timeout", "1")
        assert code == 28  # a time-out: not a refusal


def test_a_task_reaches_443_outside_and_nothing_else(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    group = physical(cloud, "TaskSecurityGroup")
    enis = ec2.describe_network_interfaces(Filters=[{"Name": "group-id", "Values": [group]}])
    eni = enis["NetworkInterfaces"][0]["NetworkInterfaceId"]
    enter = ("run", "--", "nsenter", f"--net=/run/netns/{eni}", "--")
    inside = (*enter, "curl", "-sS", "-k", "-o", "/dev/null")
    limits = ("--connect-timeout", "2")
    assert cloud.run(*inside, "https://198.18.0.80/v2/").returncode == 0
    assert cloud.run(*inside, *limits, "http://198.18.0.80:80/").returncode == 28
    assert cloud.run(*inside, *limits, "http://198.18.0.53:53/").returncode == 28


def test_exec_runs_in_a_task_which_can_read_of_itself(cloud: Cloud) -> None:
    asked = ("web", "--", "sh", "-c", "echo $ECS_CONTAINER_METADATA_URI_V4; exit 7")
    done = cloud.run("exec", "--file", SITE, *asked)
    assert done.returncode == 7, done.stderr
    uri = done.stdout.strip()
    assert cloud.run("exec", "--file", SITE, "web", "--", "no-such").returncode == 127
    data = os.urandom(300_000)  # as it is, through a pipe
    piped = cloud.command("exec", "--file", SITE, "web", "--container", "web", "--", "cat")
    assert subprocess.check_output(piped, input=data, env=cloud.environment()) == data
    for task in json.loads(cloud.hiyoko("status", "--json", SITE))["tasks"]:
        named = ("web", "--task", task["arn"].rpartition("/")[2][:9], "--", "hostname")
        name = cloud.hiyoko("exec", "--file", SITE, *named)
        assert task["private_address"].replace(".", "-") in name
        filters = [{"Name": "private-ip-address", "Values": [task["private_address"]]}]
        found = cloud.client("ec2").describe_network_interfaces(Filters=filters)
        eni = found["NetworkInterfaces"][0]["NetworkInterfaceId"]
        inside = ("run", "--", "nsenter", f"--net=/run/netns/{eni}", "--", "curl", "-sS")
        told = json.loads(cloud.run(*inside, f"{uri}/task").stdout)
        if task["arn"].rpartition("/")[2] in uri:
            assert (told["TaskARN"], told["ServiceName"]) == (task["arn"], "web")
        else:
            # Another task's is nobody else's to read.
            assert "unable to get task arn" in told


def test_the_balancers_own_group_is_judged_on_the_clients_way(cloud: Cloud) -> None:
    ec2, group = cloud.client("ec2"), physical(cloud, "LoadBalancerSecurityGroup")
    https = [
        {
            "IpProtocol": "tcp",
            "FromPort": 443,
            "ToPort": 443,
            "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
        }
    ]
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=https)
    assert until(lambda: cloud.curl(URL, "--connect-timeout", "1")[0] == 28, 10)
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=https)
    assert until(lambda: verified(cloud), 10)


def test_a_replaced_certificate_drops_no_request(cloud: Cloud, tmp_path: Path) -> None:
    """Imported again and again under load: each client gets a page, over the old or the new one."""
    acm, elb = cloud.client("acm"), cloud.client("elbv2")
    ca, host = Maker().ca("Somebody's CA"), "hello-aws.my-project.jp"
    (tmp_path / "ca.pem").write_bytes(ca.pem)
    trusting = ("--cacert", str(tmp_path / "ca.pem"), "-o", "/dev/null", "-w", "%{http_code} ")

    def brought(**arn: str) -> str:
        made = Maker().leaf(host, by=ca)
        given = {"Certificate": made.pem, "PrivateKey": made.key_pem, "CertificateChain": ca.pem}
        return str(acm.import_certificate(**given, **arn)["CertificateArn"])

    balancer = elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    listeners = elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"]
    (listener,) = [each for each in listeners if each["Port"] == 443]
    arn = brought()

    def present(certificate: str) -> None:
        chosen = [{"CertificateArn": certificate}]
        elb.modify_listener(ListenerArn=listener["ListenerArn"], Certificates=chosen)

    present(arn)
    assert until(lambda: cloud.curl(URL, *trusting) == (0, "200 "), 20)
    asked = 'for n in $(seq 60); do curl -sS --max-time 5 "$@"; done'
    command = cloud.command("run", "--", "sh", "-c", asked, "sh", *trusting, URL)
    serials = set()
    with subprocess.Popen(
        command, env=cloud.environment(), stdout=subprocess.PIPE, text=True
    ) as load:
        assert load.stdout is not None
        while load.poll() is None:
            brought(CertificateArn=arn)
            serials.add(acm.describe_certificate(CertificateArn=arn)["Certificate"]["Serial"])
        assert load.stdout.read().split() == ["200"] * 60
    assert len(serials) > 1
    present(physical(cloud, "Certificate"))
    assert until(lambda: verified(cloud), 20)
    acm.delete_certificate(CertificateArn=arn)


def browser(folder: Path, more: str) -> str:
    """Chromium without a screen: what it shows is printed. ``more`` is its last argument."""
    program = folder / "browser"
    program.write_text(
        '#!/bin/bash\nurl="${@: -1}"\nset -- "${@:1:$#-1}"\n'
        f'exec chromium "$@" --headless --disable-gpu --dump-dom {more} 2>&1\n'
    )
    program.chmod(0o755)
    return str(program)


def test_open_shows_the_page_under_its_own_name(cloud: Cloud, tmp_path: Path) -> None:
    page = cloud.hiyoko("open", "--browser", browser(tmp_path, '"$url"'), SITE)
    assert "Welcome to nginx" in page


def test_open_trusts_the_worlds_authority_and_nothing_more(cloud: Cloud, tmp_path: Path) -> None:
    address = cloud.hiyoko("run", "--", "dig", "+short", "hello-aws.my-project.jp").split()[0]
    page = cloud.hiyoko("open", "--browser", browser(tmp_path, f"https://{address}/"), SITE)
    assert "Welcome to nginx" not in page
    assert "ERR_CERT_COMMON_NAME_INVALID" in page
    (tmp_path / "home").mkdir()
    elsewhere = f'--user-data-dir={tmp_path / "profile"} "$url"'
    program = Path(browser(tmp_path, elsewhere))
    program.write_text(program.read_text().replace("exec", f"HOME={tmp_path / 'home'} exec"))
    page = cloud.hiyoko("open", "--browser", str(program), SITE)
    assert "ERR_CERT_AUTHORITY_INVALID" in page


def test_a_browser_that_fails_or_is_not_there_is_reported(cloud: Cloud) -> None:
    failed = cloud.run("open", "--browser", "ls", SITE)  # knows none of a browser's options
    assert failed.returncode == 1
    assert "ended with exit status 2" in failed.stderr
    assert "unrecognized option" in failed.stderr
    missing = cloud.run("open", "--browser", "no-such-browser", SITE)
    assert missing.returncode == 1
    assert "no-such-browser was not found" in missing.stderr


def test_a_rolling_deployment_fails_no_request_and_is_told(cloud: Cloud, tmp_path: Path) -> None:
    ecs, events, logs = cloud.client("ecs"), cloud.client("events"), cloud.client("logs")
    cluster, group = physical(cloud, "Cluster"), "/aws/events/ecs"
    account = account_of(cloud, cluster)
    logs.create_log_group(logGroupName=group)
    events.put_rule(Name="ecs", EventPattern=json.dumps({"source": ["aws.ecs"]}))
    arn = f"arn:aws:logs:ap-northeast-1:{account}:log-group:{group}"
    events.put_targets(Rule="ecs", Targets=[{"Id": "log", "Arn": arn}])
    over, begun = tmp_path / "over", tmp_path / "begun"
    asking = f"curl -s -o /dev/null -m 5 -w '%{{http_code}}\\n' {URL}"
    script = f"while [ ! -e {over} ]; do {asking}; : >{begun}; done | sort | uniq -c"

    def newest() -> dict[str, str]:
        found = ecs.list_service_deployments(cluster=cluster, service="web")["serviceDeployments"]
        newest: dict[str, str] = found[0]
        return newest

    def told() -> set[str]:
        lines = logs.filter_log_events(logGroupName=group)["events"]
        details = [json.loads(line["message"])["detail"] for line in lines]
        return {detail.get("eventName") or detail["lastStatus"] for detail in details}

    with ThreadPoolExecutor(1) as threads:
        load = threads.submit(cloud.run, "run", "--", "bash", "-c", script)
        try:
            assert until(begun.exists)
            ecs.update_service(cluster=cluster, service="web", forceNewDeployment=True)
            assert until(lambda: newest()["status"] == "SUCCESSFUL", 60), newest()
        finally:
            over.touch()
        answers = load.result(120).stdout.split()
    assert answers[1::2] == ["200"]
    assert int(answers[0]) >= 5
    wanted = {"SERVICE_DEPLOYMENT_IN_PROGRESS", "SERVICE_DEPLOYMENT_COMPLETED", "RUNNING"}
    assert until(lambda: told() >= wanted, 10), told()
    events.remove_targets(Rule="ecs", Ids=["log"])
    events.delete_rule(Name="ecs")
    logs.delete_log_group(logGroupName=group)


def account_of(cloud: Cloud, cluster: str) -> str:
    found = cloud.client("ecs").describe_clusters(clusters=[cluster])["clusters"]
    return str(found[0]["clusterArn"].split(":")[4])


def test_without_the_nat_route_new_tasks_cannot_pull_and_say_why(cloud: Cloud) -> None:
    ec2, ecs = cloud.client("ec2"), cloud.client("ecs")
    table, nat = physical(cloud, "PrivateRouteTable"), physical(cloud, "NatGateway")
    cluster = physical(cloud, "Cluster")
    ec2.delete_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")
    ecs.update_service(cluster=cluster, service="web", forceNewDeployment=True)

    def reason() -> str:
        arns = ecs.list_tasks(cluster=cluster, desiredStatus="STOPPED")["taskArns"]
        tasks = ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"] if arns else []
        return next((t["stoppedReason"] for t in tasks if "Cannot" in t["stoppedReason"]), "")

    assert "CannotPullContainerError" in until(reason, 90)
    assert verified(cloud)  # the old tasks go on
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)

    def healed() -> bool:
        service = ecs.describe_services(cluster=cluster, services=["web"])["services"][0]
        return len(service["deployments"]) == 1 and service["runningCount"] == 2

    ecs.update_service(cluster=cluster, service="web", forceNewDeployment=True)
    assert until(healed, 120)
    assert verified(cloud)


def test_killing_the_daemon_stops_no_traffic_and_changes_nothing(cloud: Cloud) -> None:
    def ids() -> dict[str, str]:
        found = cloud.client("cloudformation").describe_stack_resources(StackName=STACK)
        return {
            item["LogicalResourceId"]: item["PhysicalResourceId"]
            for item in found["StackResources"]
        }

    before = ids()
    os.kill(cloud.status()["daemon"]["pid"], signal.SIGKILL)
    assert verified(cloud)
    cloud.hiyoko("cloud", "start")
    assert verified(cloud)
    assert ids() == before
    quiet = until(lambda: all(r["quiet"] for r in cloud.status()["reconcilers"].values()), 20)
    assert quiet


def test_down_leaves_nothing(cloud: Cloud) -> None:
    assert "nothing is left" in cloud.hiyoko("down", "--yes", SITE)
    assert "nothing to remove" in cloud.hiyoko("down", "--yes", SITE)
    ec2 = cloud.client("ec2")
    vpcs = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["false"]}])["Vpcs"]
    assert not vpcs
    left = cloud.hiyoko("run", "--", "ls", "/run/netns").split()
    assert not left
