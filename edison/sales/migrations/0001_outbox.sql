CREATE TABLE `events_owed` (
	`count` integer NOT NULL,
	CONSTRAINT `finish the sale with the version of Edison that began it` CHECK (`count` = 0)
);
--> statement-breakpoint
INSERT INTO `events_owed` SELECT count(*) FROM `order_events` WHERE `published` = 0;--> statement-breakpoint
DROP TABLE `events_owed`;--> statement-breakpoint
DROP TABLE `order_events`;
